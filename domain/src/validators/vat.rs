//! Value added tax numbers of the European Union and of Northern Ireland: form and check digits, as the member states published
//! them. Whether a number is in use only the states know (VIES), and nobody asks them here.

mod persons;
mod states;

use crate::validators::compact::compact;

/// The most characters any has, with its country.
const MAX: usize = 15;
const SEPARATORS: &str = "./";

/// Why a number is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VatError {
    /// It begins with no country whose numbers are known.
    UnknownCountry,
    /// No number of its country has such a form.
    Malformed,
    /// Its check digits do not fit the rest.
    WrongControl,
}

/// Reads a number as people write it; the country that it begins with may be given beside it instead. Answers with the number in
/// capital letters, without separators, with its country.
///
/// # Errors
/// When no state gives out such a number.
pub fn read(text: &str, country: Option<&str>) -> Result<String, VatError> {
    let written = compact(text, SEPARATORS);
    if written.len() > MAX {
        return Err(VatError::Malformed);
    }
    let (state, number) = stated(&written, country).ok_or(VatError::UnknownCountry)?;
    // Older Belgian and Greek numbers lack the zero in front, Dutch ones may.
    let number = match state.code {
        "BE" if number.len() == 9 => format!("0{number}"),
        "EL" | "GR" if number.len() == 8 => format!("0{number}"),
        "NL" => format!("{number:0>12}"),
        _ => number.to_owned(),
    };
    match (state.control)(&number) {
        Some(true) => Ok(format!("{}{number}", state.code)),
        Some(false) => Err(VatError::WrongControl),
        None => Err(VatError::Malformed),
    }
}

/// A state, and how its numbers are judged: none when one has not the form.
struct State {
    code: &'static str,
    control: fn(&str) -> Option<bool>,
}

/// The state of a number, and the number without it.
fn stated<'a>(written: &'a str, country: Option<&str>) -> Option<(&'static State, &'a str)> {
    let of = |code: &str| STATES.iter().find(|state| state.code == code);
    let given = country.and_then(|country| of(if country == "GR" { "EL" } else { country }));
    let own = written.split_at_checked(2).and_then(|(code, number)| Some((of(code)?, number)));
    own.or_else(|| Some((given?, written)))
}

/// Greece writes EL; who writes GR means the same.
const STATES: &[State] = &[
    State { code: "AT", control: states::austrian },
    State { code: "BE", control: states::belgian },
    State { code: "BG", control: states::bulgarian },
    State { code: "CY", control: states::cypriot },
    State { code: "CZ", control: states::czech },
    State { code: "DE", control: states::german },
    State { code: "DK", control: states::danish },
    State { code: "EE", control: states::estonian },
    State { code: "EL", control: states::greek },
    State { code: "ES", control: states::spanish },
    State { code: "EU", control: states::one_stop_shop },
    State { code: "FI", control: states::finnish },
    State { code: "FR", control: states::french },
    State { code: "GR", control: states::greek },
    State { code: "HR", control: states::croatian },
    State { code: "HU", control: states::hungarian },
    State { code: "IE", control: states::irish },
    State { code: "IT", control: states::italian },
    State { code: "LT", control: states::lithuanian },
    State { code: "LU", control: states::luxembourgish },
    State { code: "LV", control: states::latvian },
    State { code: "MT", control: states::maltese },
    State { code: "NL", control: states::dutch },
    State { code: "PL", control: states::polish },
    State { code: "PT", control: states::portuguese },
    State { code: "RO", control: states::romanian },
    State { code: "SE", control: states::swedish },
    State { code: "SI", control: states::slovene },
    State { code: "SK", control: states::slovak },
    State { code: "XI", control: states::northern_irish },
];

#[cfg(test)]
mod tests {
    use super::{STATES, VatError, read};

    /// One number that is right for each state, some of them invented.
    const RIGHT: &[&str] = &[
        "ATU13585627",
        "BE0428759497",
        "BG175074752",
        "CY10259033P",
        "CZ25123891",
        "DE136695976",
        "DK13585628",
        "EE100931558",
        "EL094259216",
        "ESB58378431",
        "EU372022452",
        "FI20774740",
        "FR40303265045",
        "GR094259216",
        "HR33392005961",
        "HU12892312",
        "IE6433435F",
        "IT00743110157",
        "LT119511515",
        "LU15027442",
        "LV40003521600",
        "MT11679112",
        "NL004495445B01",
        "PL8567346215",
        "PT501964843",
        "RO18547290",
        "SE123456789701",
        "SI50223054",
        "SK2022749619",
        "XI980780684",
    ];

    #[test]
    fn each_state_has_a_number_that_is_right_and_none_with_another_digit_in_the_middle() {
        let known: Vec<_> = RIGHT.iter().map(|number| &number[..2]).collect();
        assert_eq!(known, STATES.iter().map(|state| state.code).collect::<Vec<_>>());
        for number in RIGHT {
            assert_eq!(read(number, None).as_deref(), Ok(*number));
            let place = number.len() - 5;
            let other = if &number[place..=place] == "3" { "4" } else { "3" };
            let changed = format!("{}{other}{}", &number[..place], &number[place + 1..]);
            // Numbers of the one-stop shop have no check digit of which a rule was published.
            let is_refused = read(&changed, None).is_err();
            assert!(is_refused || number.starts_with("EU"), "{changed}");
        }
    }

    #[test]
    fn a_number_is_read_as_people_write_it() {
        assert_eq!(read(" be 428.759.497", None).as_deref(), Ok("BE0428759497"));
        assert_eq!(read("b-58378431", Some("ES")).as_deref(), Ok("ESB58378431"));
        assert_eq!(read("094259216", Some("GR")).as_deref(), Ok("EL094259216"));
        assert_eq!(read("4495445B01", Some("NL")).as_deref(), Ok("NL004495445B01"));
    }

    #[test]
    fn what_is_no_number_says_why() {
        assert_eq!(read("", None), Err(VatError::UnknownCountry));
        assert_eq!(read("US123456789", None), Err(VatError::UnknownCountry));
        assert_eq!(read("136695976", None), Err(VatError::UnknownCountry));
        assert_eq!(read("DE13669597", None), Err(VatError::Malformed));
        assert_eq!(read("DE136695977", None), Err(VatError::WrongControl));
        assert_eq!(read(&"9".repeat(1_000), Some("DE")), Err(VatError::Malformed));
    }
}
