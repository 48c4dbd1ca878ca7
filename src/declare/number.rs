use std::str::FromStr;

/// A number in decimal digits, without sign and leading zeros, in the range of `T`.
pub(super) fn whole<T: FromStr>(text: &str) -> Option<T> {
    let is_plain = (text == "0" || !text.starts_with('0')) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<T>() {
        Ok(number) if is_plain => Some(number),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_one_way() {
        assert_eq!(whole::<u8>("0"), Some(0));
        assert_eq!(whole::<u8>("255"), Some(255));
        for bad in ["", "-1", "+1", "01", "1.0", "1e1", "0x1", "256", " 1", "1_0"] {
            assert_eq!(whole::<u8>(bad), None, "{bad}");
        }
    }
}
