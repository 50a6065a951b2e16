//! Rough middles of countries and continents, for requests that come without coordinates.

use crate::region::Place;

/// The middle of a continent as `request.cf.continent` names it, weighted to where its people live.
pub(crate) fn continent(code: &str) -> Option<Place> {
    let (lat, lng) = match code {
        "AF" => (5.0, 20.0),
        "AN" => (-80.0, 0.0),
        "AS" => (25.0, 100.0),
        "EU" => (50.0, 10.0),
        "NA" => (40.0, -85.0),
        "OC" => (-28.0, 140.0),
        "SA" => (-15.0, -55.0),
        _ => return None,
    };
    Some(Place::degrees(lat, lng))
}

/// The middle of a country by its ISO 3166-1 alpha-2 code.
pub(crate) fn country(code: &str) -> Option<Place> {
    let code: [u8; 2] = code.as_bytes().try_into().ok()?;
    let at = COUNTRIES.binary_search_by(|&(other, ..)| other.cmp(&code)).ok()?;
    COUNTRIES.get(at).map(|&(_, lat, lng)| Place::degrees(f64::from(lat), f64::from(lng)))
}

/// Code, degrees north, degrees east; whole degrees are enough to choose among four regions. Sorted by code.
#[rustfmt::skip]
const COUNTRIES: &[([u8; 2], i16, i16)] = &[
    (*b"AD", 42, 2), (*b"AE", 24, 54), (*b"AF", 33, 65), (*b"AG", 17, -62), (*b"AI", 18, -63), (*b"AL", 41, 20),
    (*b"AM", 40, 45), (*b"AO", -12, 18), (*b"AQ", -90, 0), (*b"AR", -34, -64), (*b"AS", -14, -170), (*b"AT", 47, 13),
    (*b"AU", -27, 133), (*b"AW", 12, -70), (*b"AX", 60, 20), (*b"AZ", 40, 48), (*b"BA", 44, 18), (*b"BB", 13, -60),
    (*b"BD", 24, 90), (*b"BE", 51, 4), (*b"BF", 13, -2), (*b"BG", 43, 25), (*b"BH", 26, 51), (*b"BI", -4, 30),
    (*b"BJ", 10, 2), (*b"BL", 18, -63), (*b"BM", 32, -65), (*b"BN", 4, 115), (*b"BO", -17, -65), (*b"BQ", 12, -68),
    (*b"BR", -10, -55), (*b"BS", 24, -76), (*b"BT", 28, 90), (*b"BV", -54, 3), (*b"BW", -22, 24), (*b"BY", 53, 28),
    (*b"BZ", 17, -89), (*b"CA", 52, -95), (*b"CC", -12, 97), (*b"CD", 0, 25), (*b"CF", 7, 21), (*b"CG", -1, 15),
    (*b"CH", 47, 8), (*b"CI", 8, -5), (*b"CK", -21, -160), (*b"CL", -30, -71), (*b"CM", 6, 12), (*b"CN", 35, 105),
    (*b"CO", 4, -72), (*b"CR", 10, -84), (*b"CU", 22, -80), (*b"CV", 16, -24), (*b"CW", 12, -69), (*b"CX", -10, 106),
    (*b"CY", 35, 33), (*b"CZ", 50, 16), (*b"DE", 51, 9), (*b"DJ", 12, 43), (*b"DK", 56, 10), (*b"DM", 15, -61),
    (*b"DO", 19, -71), (*b"DZ", 28, 3), (*b"EC", -2, -78), (*b"EE", 59, 26), (*b"EG", 27, 30), (*b"EH", 24, -13),
    (*b"ER", 15, 39), (*b"ES", 40, -4), (*b"ET", 8, 38), (*b"FI", 64, 26), (*b"FJ", -18, 175), (*b"FK", -52, -59),
    (*b"FM", 7, 158), (*b"FO", 62, -7), (*b"FR", 46, 2), (*b"GA", -1, 12), (*b"GB", 54, -2), (*b"GD", 12, -62),
    (*b"GE", 42, 44), (*b"GF", 4, -53), (*b"GG", 50, -3), (*b"GH", 8, -2), (*b"GI", 36, -5), (*b"GL", 72, -40),
    (*b"GM", 13, -17), (*b"GN", 11, -10), (*b"GP", 16, -62), (*b"GQ", 2, 10), (*b"GR", 39, 22), (*b"GS", -54, -37),
    (*b"GT", 16, -90), (*b"GU", 13, 145), (*b"GW", 12, -15), (*b"GY", 5, -59), (*b"HK", 22, 114), (*b"HM", -53, 73),
    (*b"HN", 15, -86), (*b"HR", 45, 16), (*b"HT", 19, -72), (*b"HU", 47, 20), (*b"ID", -5, 120), (*b"IE", 53, -8),
    (*b"IL", 32, 35), (*b"IM", 54, -5), (*b"IN", 20, 77), (*b"IO", -6, 72), (*b"IQ", 33, 44), (*b"IR", 32, 53),
    (*b"IS", 65, -18), (*b"IT", 43, 13), (*b"JE", 49, -2), (*b"JM", 18, -78), (*b"JO", 31, 36), (*b"JP", 36, 138),
    (*b"KE", 1, 38), (*b"KG", 41, 75), (*b"KH", 13, 105), (*b"KI", 1, 173), (*b"KM", -12, 44), (*b"KN", 17, -63),
    (*b"KP", 40, 127), (*b"KR", 37, 128), (*b"KW", 29, 48), (*b"KY", 20, -80), (*b"KZ", 48, 68), (*b"LA", 18, 105),
    (*b"LB", 34, 36), (*b"LC", 14, -61), (*b"LI", 47, 10), (*b"LK", 7, 81), (*b"LR", 6, -10), (*b"LS", -30, 28),
    (*b"LT", 56, 24), (*b"LU", 50, 6), (*b"LV", 57, 25), (*b"LY", 25, 17), (*b"MA", 32, -5), (*b"MC", 44, 7),
    (*b"MD", 47, 29), (*b"ME", 42, 19), (*b"MF", 18, -63), (*b"MG", -20, 47), (*b"MH", 9, 168), (*b"MK", 42, 22),
    (*b"ML", 17, -4), (*b"MM", 22, 98), (*b"MN", 46, 105), (*b"MO", 22, 114), (*b"MP", 15, 146), (*b"MQ", 15, -61),
    (*b"MR", 20, -12), (*b"MS", 17, -62), (*b"MT", 36, 15), (*b"MU", -20, 58), (*b"MV", 3, 73), (*b"MW", -14, 34),
    (*b"MX", 23, -102), (*b"MY", 2, 112), (*b"MZ", -18, 35), (*b"NA", -22, 17), (*b"NC", -22, 166), (*b"NE", 16, 8),
    (*b"NF", -29, 168), (*b"NG", 10, 8), (*b"NI", 13, -85), (*b"NL", 52, 6), (*b"NO", 62, 10), (*b"NP", 28, 84),
    (*b"NR", -1, 167), (*b"NU", -19, -170), (*b"NZ", -41, 174), (*b"OM", 21, 57), (*b"PA", 9, -80),
    (*b"PE", -10, -76), (*b"PF", -15, -140), (*b"PG", -6, 147), (*b"PH", 13, 122), (*b"PK", 30, 70), (*b"PL", 52, 20),
    (*b"PM", 47, -56), (*b"PN", -25, -127), (*b"PR", 18, -66), (*b"PS", 32, 35), (*b"PT", 40, -8), (*b"PW", 8, 134),
    (*b"PY", -23, -58), (*b"QA", 26, 51), (*b"RE", -21, 56), (*b"RO", 46, 25), (*b"RS", 44, 21), (*b"RU", 60, 60),
    (*b"RW", -2, 30), (*b"SA", 25, 45), (*b"SB", -8, 159), (*b"SC", -5, 56), (*b"SD", 15, 30), (*b"SE", 62, 15),
    (*b"SG", 1, 104), (*b"SH", -16, -6), (*b"SI", 46, 15), (*b"SJ", 78, 20), (*b"SK", 49, 20), (*b"SL", 8, -12),
    (*b"SM", 44, 12), (*b"SN", 14, -14), (*b"SO", 10, 49), (*b"SR", 4, -56), (*b"SS", 8, 30), (*b"ST", 1, 7),
    (*b"SV", 14, -89), (*b"SX", 18, -63), (*b"SY", 35, 38), (*b"SZ", -26, 32), (*b"TC", 22, -72), (*b"TD", 15, 19),
    (*b"TF", -43, 67), (*b"TG", 8, 1), (*b"TH", 15, 100), (*b"TJ", 39, 71), (*b"TK", -9, -172), (*b"TL", -9, 126),
    (*b"TM", 40, 60), (*b"TN", 34, 9), (*b"TO", -20, -175), (*b"TR", 39, 35), (*b"TT", 11, -61), (*b"TV", -8, 178),
    (*b"TW", 24, 121), (*b"TZ", -6, 35), (*b"UA", 49, 32), (*b"UG", 1, 32), (*b"UM", 19, 167), (*b"US", 40, -99),
    (*b"UY", -33, -56), (*b"UZ", 41, 64), (*b"VA", 42, 12), (*b"VC", 13, -61), (*b"VE", 8, -66), (*b"VG", 18, -64),
    (*b"VI", 18, -65), (*b"VN", 16, 106), (*b"VU", -16, 167), (*b"WF", -13, -176), (*b"WS", -14, -172),
    (*b"XK", 43, 21), (*b"YE", 15, 48), (*b"YT", -13, 45), (*b"ZA", -29, 24), (*b"ZM", -15, 30), (*b"ZW", -20, 30),
];

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_table_is_sorted_and_sane() {
        assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(COUNTRIES.iter().all(|&(_, lat, lng)| lat.abs() <= 90 && lng.abs() <= 180));
        assert_eq!(COUNTRIES.len(), 250);
        assert_eq!(country("DE"), Some(Place::degrees(51.0, 9.0)));
        for unknown in ["", "D", "de", "XX", "T1", "DEU", "é"] {
            assert_eq!(country(unknown), None, "{unknown}");
        }
    }
}
