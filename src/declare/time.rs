//! Instants and durations as people write them.

use jiff::{SignedDuration, Timestamp};

use super::decode::{Context, Item};
use crate::diagnostic::Code;
use crate::model::Timeout;

/// 2 to 9,999 hours, or 1 to 416 days.
pub(super) const LEASE_PATTERN: &str =
    r"^(([2-9]|[1-9][0-9]{1,3})h|([1-9][0-9]?|[1-3][0-9]{2}|40[0-9]|41[0-6])d)$";
/// 1 to 1,440 minutes, or 1 to 24 hours.
pub(super) const TOLERANCE_PATTERN: &str =
    r"^(([1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m|([1-9]|1[0-9]|2[0-4])h)$";
/// That a month has this day is not said.
pub(super) const INSTANT_PATTERN: &str = concat!(
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?",
    r"(Z|[+-]([01][0-9]|2[0-5]):[0-5][0-9])$"
);

const LEAST_LEASE: SignedDuration = SignedDuration::from_hours(2);
const MOST_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// An instant: RFC 3339 with `T`, seconds and offset, so that it means the same on every machine.
pub(super) fn instant(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Timestamp> {
    let text = item.text(cx, "an instant such as `2026-12-01T18:00:00+03:00`")?;
    let what = item.what();
    if !has_shape_of_instant(text) {
        let (message, help) = if has_shape_of_instant(&format!("{text}Z")) {
            (
                format!("{what} has no offset from UTC: `{text}`"),
                format!("write `{text}Z` for UTC, or an offset such as `{text}+03:00`"),
            )
        } else if has_shape_of_instant(&text.replacen(' ', "T", 1)) {
            (format!("{what} has a space in it: `{text}`"), format!("write `{}`", text.replacen(' ', "T", 1)))
        } else {
            (
                format!("{what} takes an instant, not `{text}`"),
                "write date, time and offset from UTC, such as `2026-12-01T18:00:00+03:00`".to_owned(),
            )
        };
        return item.wrong(cx, Code::BadTime, message, help);
    }
    match text.parse::<Timestamp>() {
        Ok(instant) => Some(instant),
        Err(_) => item.wrong(
            cx,
            Code::BadTime,
            format!("{what} is no time that exists: `{text}`"),
            "check the month, the day, the hour and the offset",
        ),
    }
}

/// The length of a lease: whole hours or days, 2 h to 9,999 h.
pub(super) fn lease(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Timeout> {
    let text = item.text(cx, "a duration such as `24h` or `3d`")?;
    let help = "write whole hours or days from 2 h to 9,999 h, such as `24h` or `3d`";
    let Some(duration) = duration(text, &[('h', 3_600), ('d', 86_400)]) else {
        return item.wrong(
            cx,
            Code::BadTime,
            format!("{} takes a duration, not `{text}`", item.what()),
            help,
        );
    };
    let timeout = Timeout::from_seconds(duration.as_secs());
    match timeout {
        Ok(timeout) if duration >= LEAST_LEASE => Some(timeout),
        _ => item.wrong(cx, Code::BadTime, format!("a lease of {text} is out of range"), help),
    }
}

/// How far clocks may be apart: minutes or hours, up to a day.
pub(super) fn tolerance(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<SignedDuration> {
    let text = item.text(cx, "a duration such as `10m`")?;
    match duration(text, &[('m', 60), ('h', 3_600)]) {
        Some(duration) if duration <= MOST_TOLERANCE => Some(duration),
        _ => item.wrong(
            cx,
            Code::BadTime,
            format!("{} takes a duration, not `{text}`", item.what()),
            "write whole minutes or hours up to a day, such as `10m` or `1h`",
        ),
    }
}

/// A whole number of one unit, at least 1.
fn duration(text: &str, units: &[(char, i64)]) -> Option<SignedDuration> {
    let unit = text.chars().last()?;
    let (_, seconds) = units.iter().find(|(known, _)| *known == unit)?;
    let count = &text[..text.len() - unit.len_utf8()];
    if count.is_empty() || count.starts_with('0') || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match count.parse::<i64>() {
        Ok(count) => count.checked_mul(*seconds).map(SignedDuration::from_secs),
        Err(_too_long) => None,
    }
}

/// The shape of [`INSTANT_PATTERN`]; what the digits say is checked by the parser.
fn has_shape_of_instant(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |bytes: &[u8], shape: &[u8]| {
        bytes.len() == shape.len()
            && bytes.iter().zip(shape).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    if bytes.len() < 20 || !fits(&bytes[..19], b"0000-00-00T00:00:00") {
        return false;
    }
    let mut rest = &bytes[19..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    rest == b"Z" || fits(rest, b"+00:00") || fits(rest, b"-00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_needs_its_offset_and_its_t() {
        for good in ["2026-12-01T18:00:00Z", "2026-12-01T18:00:00.5+03:00", "2026-12-01T18:00:00-08:00"] {
            assert!(has_shape_of_instant(good) && good.parse::<Timestamp>().is_ok(), "{good}");
        }
        for bad in ["2026-12-01", "2026-12-01T18:00:00", "2026-12-01 18:00:00Z", "2026-12-01T18:00Z", "x", ""]
        {
            assert!(!has_shape_of_instant(bad), "{bad}");
        }
    }

    #[test]
    fn durations_are_whole() {
        let hours = |text| duration(text, &[('h', 3_600), ('d', 86_400)]).map(|d| d.as_hours());
        assert_eq!(hours("24h"), Some(24));
        assert_eq!(hours("3d"), Some(72));
        for bad in ["", "h", "0h", "02h", "1.5h", "-1h", "24", "1w", "24 h", "99999999999999999999h", "9é"] {
            assert_eq!(hours(bad), None, "{bad}");
        }
    }
}
