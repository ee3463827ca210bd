//! Numbers controlled by their remainder of 97 (ISO 7064, MOD 97-10): the letters count from 10. Legal entities' identifiers (LEI) are
//! such numbers as they stand.

use crate::validators::Control;

/// The remainder of a text of ASCII digits and capital letters; none when it has other characters.
pub fn remainder(text: impl Iterator<Item = u8>) -> Option<u32> {
    let mut rest: u32 = 0;
    for byte in text {
        rest = match byte {
            b'0'..=b'9' => rest * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => rest * 100 + u32::from(byte - b'A') + 10,
            _ => return None,
        } % 97;
    }
    Some(rest)
}

/// The two check digits that make the remainder of `text` followed by them one.
pub fn check_digits(text: impl Iterator<Item = u8>) -> Option<String> {
    remainder(text.chain(*b"00")).map(|rest| format!("{:02}", 98 - rest))
}

/// A legal entity's identifier (ISO 17442): eighteen characters and two check digits. None: it has not that form.
pub fn lei(number: &str) -> Option<Control> {
    let (rest, check) = number.split_at_checked(18)?;
    let is_formed = check.len() == 2 && check.bytes().all(|byte| byte.is_ascii_digit());
    let right = remainder(number.bytes())? == 1;
    let expected = check_digits(rest.bytes())?;
    is_formed.then(|| Control::of(right, || expected))
}

#[cfg(test)]
mod tests {
    use super::{lei, remainder};
    use crate::validators::Control;

    #[test]
    fn an_entity_is_known_by_its_check_digits() {
        assert_eq!(lei("213800KUD8LAJWSQ9D15"), Some(Control::Right));
        assert_eq!(lei("213800KUD8LAJWSQ9D16"), Some(Control::Wrong { expected: "15".to_owned() }));
        assert_eq!(lei("213800KUD8LAJWSQ9D1X"), None);
        assert_eq!(lei("213800KUD8LAJWSQ9D1"), None);
        assert_eq!(remainder("é".bytes()), None);
    }
}
