//! Whom the server asks whether the domain of an address takes mail: nobody, the name servers of the machine, or some that are named.

use anyhow::{Context, anyhow};
use api::{KnownMailServers, NameServers};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// The port of name servers.
const PORT: u16 = 53;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum MailLookupBy {
    /// Nobody.
    Off,
    /// The name servers of the machine.
    Machine,
    /// These.
    Servers(Vec<SocketAddr>),
}

impl TryFrom<String> for MailLookupBy {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let servers = || text.split(',').map(|server| address(server.trim())).collect::<Option<_>>();
        match text.as_str() {
            "off" => Ok(Self::Off),
            "machine" => Ok(Self::Machine),
            _ => servers()
                .map(Self::Servers)
                .ok_or("it is off, machine, or name servers such as 192.0.2.1,192.0.2.2:5353"),
        }
    }
}

/// An address with its port, or with the usual one.
fn address(text: &str) -> Option<SocketAddr> {
    let alone = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    text.parse().or_else(|_| alone()).ok()
}

impl MailLookupBy {
    /// The memory of what they say.
    pub(crate) fn mail_servers(&self) -> anyhow::Result<KnownMailServers> {
        let names = match self {
            Self::Off => return Ok(KnownMailServers::default()),
            Self::Machine => NameServers::of_machine()
                .map_err(|error| anyhow!(error))
                .context("the machine names no name servers")?,
            Self::Servers(servers) => {
                NameServers::at(servers).map_err(|error| anyhow!(error)).context("name servers cannot be asked")?
            }
        };
        Ok(KnownMailServers::by(names))
    }
}

#[cfg(test)]
mod tests {
    use super::MailLookupBy;

    #[test]
    fn nobody_the_machine_or_addresses_are_asked() {
        let read = |text: &str| MailLookupBy::try_from(text.to_owned());
        assert_eq!((read("off"), read("machine")), (Ok(MailLookupBy::Off), Ok(MailLookupBy::Machine)));
        let servers = ["192.0.2.1:53", "192.0.2.2:5353", "[2001:db8::1]:53", "[2001:db8::2]:54"];
        let servers = servers.map(|server| server.parse().unwrap()).to_vec();
        assert_eq!(read("192.0.2.1, 192.0.2.2:5353,2001:db8::1,[2001:db8::2]:54"), Ok(MailLookupBy::Servers(servers)));
        for text in ["", "on", "dns.example", "192.0.2.1,", "192.0.2.1:0x35"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
