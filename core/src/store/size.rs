//! How many bytes DynamoDB counts for an item.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;

/// What a list or a map takes besides its elements, of which each takes one more.
const CONTAINER_BYTES: usize = 3;

/// The bytes of all names and values.
pub(super) fn of_item(item: &Item) -> u64 {
    item.iter().map(|(name, value)| name.len() as u64 + of_value(value)).sum()
}

/// The bytes of one value, without its name.
pub(super) fn of_value(value: &AttributeValue) -> u64 {
    let bytes = match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => of_number(digits),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|digits| of_number(digits)).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(values) => {
            let inside: u64 = values.iter().map(of_value).sum();
            return inside + (CONTAINER_BYTES + values.len()) as u64;
        }
        AttributeValue::M(map) => return of_item(map) + (CONTAINER_BYTES + map.len()) as u64,
        // A boolean, null, or a type of a later version.
        _ => 1,
    };
    bytes as u64
}

/// One byte for every two significant digits and one for the exponent; nearly so, says AWS.
fn of_number(digits: &str) -> usize {
    let significant = digits.bytes().filter(u8::is_ascii_digit).count();
    significant.div_ceil(2) + 1
}

#[cfg(test)]
mod tests {
    use super::super::item::{number, string};
    use super::*;

    #[test]
    fn sizes_are_those_of_the_documentation() {
        assert_eq!(of_value(&string("été")), 5);
        assert_eq!(of_value(&number(27)), 2);
        assert_eq!(of_value(&number(1_795_388_393_u64)), 6);
        assert_eq!(of_value(&AttributeValue::Bool(true)), 1);
        assert_eq!(of_value(&AttributeValue::L(vec![string("a"), string("bc")])), 3 + 2 + 3);
        let map = AttributeValue::M([("lat".to_owned(), number(-0.12))].into());
        assert_eq!(of_value(&map), 3 + 1 + 3 + 3);
        assert_eq!(of_item(&[("recent".to_owned(), string("2026-11"))].into()), 13);
    }
}
