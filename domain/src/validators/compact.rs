//! How numbers are read that people write with separators: without them, in capital letters, in the forms of ASCII.

/// Dashes that word processors make of a hyphen.
const DASHES: &str = "\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2212}";

/// No number has so many characters: of longer texts only the beginning is read, which is too long as well.
const MOST: usize = 256;

/// The text without white space, dashes and the given separators, in capital letters.
pub fn compact(text: &str, separators: &str) -> String {
    let is_kept = |character: &char| {
        !character.is_whitespace()
            && *character != '-'
            && !separators.contains(*character)
            && !DASHES.contains(*character)
    };
    text.chars().map(usual_width).filter(is_kept).flat_map(char::to_uppercase).take(MOST).collect()
}

/// The forms that East Asian keyboards make of ASCII stand in the same order (U+FF01 to U+FF5E).
fn usual_width(character: char) -> char {
    let shifted = u32::from(character).checked_sub(0xFEE0).filter(|code| (0x21..=0x7E).contains(code));
    shifted.and_then(char::from_u32).unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn separators_go_and_letters_grow() {
        assert_eq!(compact(" es-12 34\u{2013}5678\tz ", ""), "ES12345678Z");
        assert_eq!(compact("12.345/6", "./"), "123456");
        assert_eq!(compact("12.345", ""), "12.345");
        assert_eq!(compact("１２３－ｚ", ""), "123Z");
    }
}
