//! Somebody else's place for heads: an address to which they are posted.
//!
//! A redirect is not followed: who may receive heads is said in the configuration and nowhere else.

#[cfg(test)]
mod tests;

use crate::tls;
use anyhow::{Context, ensure};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::path::Path;
use std::time::Duration;
use store::postgres::SignedHead;

/// What it has for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Target {
    http: Client,
    url: Url,
    token: Option<String>,
    patience: Duration,
}

impl Target {
    /// One that is believed by its certificate: by the authorities in this file, or else by those that everybody believes.
    pub(super) fn new(url: &str, token: Option<String>, authorities: Option<&Path>) -> anyhow::Result<Self> {
        let url: Url = url.parse().context("heads_url is no address")?;
        ensure!(matches!(url.scheme(), "http" | "https"), "heads_url must begin with https:// or http://");
        let http = match authorities {
            Some(_) if url.scheme() == "http" => {
                anyhow::bail!("heads_ca_file says whom to believe, but heads_url is without TLS")
            }
            Some(file) => tls::http_believing(file).context("heads_ca_file")?,
            None => tls::http(),
        };
        if url.scheme() == "http" && token.is_some() && !is_this_machine(&url) {
            tracing::warn!("heads_token is sent in the clear: heads_url is on another machine and begins with http://");
        }
        let http = http.redirect(Policy::none()).build().context("heads cannot be sent")?;
        Ok(Self { http, url, token, patience: PATIENCE })
    }

    /// Posts a head; its size. All but a 2xx is an error.
    pub(super) async fn send(&self, head: &SignedHead) -> anyhow::Result<u64> {
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        // The address may hold a password: it is not said.
        let sent = request.timeout(self.patience).body(head.checkpoint.clone()).send().await;
        let status = sent.map_err(|error| self.unreached(error))?.status();
        ensure!(status.is_success(), "the target of heads answered {status}");
        Ok(head.size)
    }

    fn unreached(&self, error: reqwest::Error) -> anyhow::Error {
        if error.is_timeout() {
            return anyhow::anyhow!("the target of heads did not answer within {} s", self.patience.as_secs_f32());
        }
        anyhow::Error::new(error.without_url()).context("the target of heads cannot be reached")
    }
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
