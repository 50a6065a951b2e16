//! Reads the body of a batch: the envelope as a whole, then each operation by itself.
//!
//! Parts are read as bytes, as bodies are: a second kind of input would be a second parser in the Worker.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{content, shorten};
use crate::echo::NewEcho;
use crate::id::{EchoId, IdempotencyKey, UserId};
use crate::policy::{MAX_BATCH_OPERATIONS, MAX_BODY_BYTES};
use crate::problem::{FieldError, Problem, Slug};

/// Unknown fields named at most.
const NAMED: usize = 10;

/// One operation of a batch, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A create. Without a key it is another echo each time.
    Create {
        /// The caller's name for it.
        key: Option<IdempotencyKey>,
        /// What is created.
        echo: Box<NewEcho>,
    },
    /// A delete.
    Delete(EchoId),
}

/// One operation as it was sent, and what it says.
#[derive(Debug)]
pub struct BatchItem<'a> {
    text: &'a str,
    /// The operation, or what is wrong with it; its fields are called `operations[3].echo.tags[0]`.
    pub operation: Result<Operation, Problem>,
}

impl<'a> BatchItem<'a> {
    /// The operation as it was sent, less the white space around it.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The same with a key. Only for a create that has none, which is therefore an object with other members.
    pub fn with_key(&self, key: IdempotencyKey) -> String {
        format!("{{\"key\":\"{key}\",{}", self.text.strip_prefix('{').unwrap_or(self.text))
    }
}

/// Reads the body of `POST /v1/echoes/batch`. A fault of the envelope refuses the whole; one of an operation stays with it.
///
/// `audio_bucket` is as for [`super::new_echo`], and so is the limit of each echo. The body's own limit has been checked.
pub fn batch<'a>(body: &'a [u8], user: &UserId, audio_bucket: Option<&str>) -> Result<Vec<BatchItem<'a>>, Problem> {
    let fields = serde_json::from_slice(body)
        .map_err(|error| Problem::invalid_field("body", format!("is not a JSON object: {error}")))?;
    let mut envelope = Members { path: String::new(), fields, errors: Vec::new() };
    let operations = envelope.required("operations", |raw| {
        let operations: Vec<&RawValue> =
            serde_json::from_slice(raw.get().as_bytes()).map_err(|_| String::from("must be an array"))?;
        let bounded = (1..=MAX_BATCH_OPERATIONS).contains(&operations.len());
        if bounded { Ok(operations) } else { Err(format!("must be 1 to {MAX_BATCH_OPERATIONS} operations")) }
    });
    let operations = envelope.finish(operations)?;
    let item = |(at, raw): (usize, &'a RawValue)| BatchItem {
        text: raw.get(),
        operation: operation(raw.get(), format!("operations[{at}]"), user, audio_bucket),
    };
    Ok(operations.into_iter().enumerate().map(item).collect())
}

fn operation(text: &str, path: String, user: &UserId, audio_bucket: Option<&str>) -> Result<Operation, Problem> {
    let fields = match serde_json::from_slice(text.as_bytes()) {
        Ok(fields) => fields,
        Err(error) => return Err(Problem::invalid_field(path, format!("is not a JSON object: {error}"))),
    };
    let mut members = Members { path, fields, errors: Vec::new() };
    let op = members.required("op", |raw| match string(raw)?.as_str() {
        op @ ("create" | "delete") => Ok(op == "create"),
        _ => Err("must be create or delete".to_owned()),
    });
    match op {
        Some(true) => {
            let key = members.optional("key", word);
            let echo = members.take_echo(user, audio_bucket)?;
            members.finish(echo).map(|echo| Operation::Create { key, echo: Box::new(echo) })
        }
        Some(false) => {
            let id = members.required("echoId", word);
            members.finish(id).map(Operation::Delete)
        }
        // Which members belong to it is not known.
        None => Err(Problem::invalid(members.errors)),
    }
}

/// An object's members, not yet looked into, taken out one by one; what stays is unknown.
struct Members<'a> {
    /// Where the object is.
    path: String,
    fields: BTreeMap<String, &'a RawValue>,
    errors: Vec<FieldError>,
}

impl<'a> Members<'a> {
    fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn required<T>(&mut self, name: &str, read: impl FnOnce(&'a RawValue) -> Result<T, String>) -> Option<T> {
        if !self.fields.contains_key(name) {
            self.errors.push(FieldError::new(self.name(name), "is required"));
        }
        self.optional(name, read)
    }

    fn optional<T>(&mut self, name: &str, read: impl FnOnce(&'a RawValue) -> Result<T, String>) -> Option<T> {
        match read(self.fields.remove(name)?) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.errors.push(FieldError::new(self.name(name), detail));
                None
            }
        }
    }

    /// The echo of a create; an error for one that is too long to be looked at.
    fn take_echo(&mut self, user: &UserId, audio_bucket: Option<&str>) -> Result<Option<NewEcho>, Problem> {
        let Some(raw) = self.required("echo", Ok) else { return Ok(None) };
        let path = self.name("echo");
        if raw.get().len() > MAX_BODY_BYTES {
            return Err(Problem {
                errors: vec![FieldError::new(path, format!("must be at most {MAX_BODY_BYTES} bytes"))],
                ..Problem::new(Slug::TooLarge, format!("the echo is above {MAX_BODY_BYTES} bytes"))
            });
        }
        let faults = match serde_json::from_slice(raw.get().as_bytes()) {
            Ok(Value::Object(fields)) => match content(fields, user, audio_bucket) {
                Ok(echo) => return Ok(Some(echo)),
                Err(faults) => {
                    faults.into_iter().map(|f| FieldError::new(format!("{path}.{}", f.field), f.detail)).collect()
                }
            },
            Ok(_) => vec![FieldError::new(path, "must be a JSON object")],
            Err(error) => vec![FieldError::new(path, format!("is not JSON: {error}"))],
        };
        self.errors.extend(faults);
        Ok(None)
    }

    /// What was read, unless anything is wrong.
    fn finish<T>(mut self, read: Option<T>) -> Result<T, Problem> {
        let unknown: Vec<_> = std::mem::take(&mut self.fields).into_keys().take(NAMED).collect();
        for name in unknown {
            let name = self.name(&shorten(name));
            self.errors.push(FieldError::new(name, "is not a known field"));
        }
        read.filter(|_| self.errors.is_empty()).ok_or_else(|| Problem::invalid(self.errors))
    }
}

fn string(raw: &RawValue) -> Result<String, String> {
    serde_json::from_slice(raw.get().as_bytes()).map_err(|_| String::from("must be a string"))
}

fn word<T: FromStr<Err: std::fmt::Display>>(raw: &RawValue) -> Result<T, String> {
    string(raw)?.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emotion::Emotion;
    use crate::policy::BATCH_KEY_BYTES;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ID: &str = "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20";

    fn read(body: &str) -> Result<Vec<BatchItem<'_>>, Problem> {
        batch(body.as_bytes(), &"ana".parse().unwrap(), Some("echoes-audio"))
    }

    fn fields(problem: Problem) -> Vec<String> {
        assert_eq!(problem.slug, Slug::InvalidRequest);
        problem.errors.into_iter().map(|e| e.field.into_owned()).collect()
    }

    fn of(operations: &[&str]) -> String {
        format!(r#"{{"operations":[{}]}}"#, operations.join(","))
    }

    fn fault(operation: &str) -> Problem {
        read(&of(&[r#"{"op":"x"}"#, operation])).unwrap().remove(1).operation.unwrap_err()
    }

    #[test]
    fn operations_are_read_in_order() {
        let body = of(&[
            &format!(r#"{{"op":"create","key":"{ID}","echo":{{"emotion":"happy"}}}}"#),
            r#" { "op" : "create", "echo" : { "emotion" : "sad" } } "#,
            &format!(r#"{{"op":"delete","echoId":"{}"}}"#, ID.to_uppercase()),
        ]);
        let items = read(&body).unwrap();
        assert_eq!(items[1].text(), r#"{ "op" : "create", "echo" : { "emotion" : "sad" } }"#);
        let operations: Vec<_> = items.into_iter().map(|item| item.operation.unwrap()).collect();
        let emotions = operations.iter().filter_map(|operation| match operation {
            Operation::Create { key, echo } => Some((key.map(|key| key.to_string()), echo.emotion)),
            Operation::Delete(_) => None,
        });
        assert_eq!(emotions.collect::<Vec<_>>(), [(Some(ID.to_owned()), Emotion::Happy), (None, Emotion::Sad)]);
        assert_eq!(operations[2], Operation::Delete(ID.parse().unwrap()));
    }

    #[test]
    fn a_faulty_envelope_refuses_the_whole() {
        let good = r#"{"op":"create","echo":{"emotion":"happy"}}"#;
        for (body, field) in [
            ("", "body"),
            ("[]", "body"),
            ("{", "body"),
            (r#"{"operations":[1}"#, "body"),
            ("{}", "operations"),
            (r#"{"operations":{}}"#, "operations"),
            (r#"{"operations":null}"#, "operations"),
            (&of(&[]), "operations"),
            (&of(&[good; 101]), "operations"),
            (r#"{"operations":[1],"atomic":true}"#, "atomic"),
            (&"[".repeat(10_000), "body"),
        ] {
            assert_eq!(fields(read(body).unwrap_err()), [field], "{body}");
        }
        assert_eq!(
            batch(b"{\"operations\":[\"\xff\"]}", &"ana".parse().unwrap(), None).unwrap_err().errors[0].field,
            "body"
        );
        assert_eq!(read(&of(&[good; 100])).unwrap().len(), 100);
    }

    #[test]
    fn each_fault_of_an_operation_names_its_field() {
        let deep = format!(r#"{{"op":"create","echo":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        let surrogate = r#"{"op":"create","echo":{"emotion":"happy","transcript":"\ud800"}}"#;
        for (operation, expected) in [
            ("1", ""),
            ("null", ""),
            ("[]", ""),
            ("{}", ".op"),
            (r#"{"op":"update"}"#, ".op"),
            (r#"{"op":null}"#, ".op"),
            (r#"{"op":"create"}"#, ".echo"),
            (r#"{"op":"create","echo":[]}"#, ".echo"),
            (r#"{"op":"create","echo":null}"#, ".echo"),
            (&deep, ".echo"),
            (surrogate, ".echo"),
            (r#"{"op":"create","echo":{}}"#, ".echo.emotion"),
            (r#"{"op":"create","echo":{"emotion":"happy","body":1}}"#, ".echo.body"),
            (r#"{"op":"create","echo":{"emotion":"happy","tags":[""]}}"#, ".echo.tags[0]"),
            (r#"{"op":"create","key":"1","echo":{"emotion":"happy"}}"#, ".key"),
            (r#"{"op":"create","key":null,"echo":{"emotion":"happy"}}"#, ".key"),
            (&format!(r#"{{"op":"create","echo":{{"emotion":"happy"}},"echoId":"{ID}"}}"#), ".echoId"),
            (r#"{"op":"delete"}"#, ".echoId"),
            (r#"{"op":"delete","echoId":"7d444840-9dc0-41d1-b245-5ffdce74fad2"}"#, ".echoId"),
            (r#"{"op":"delete","echoId":5}"#, ".echoId"),
            (&format!(r#"{{"op":"delete","echoId":"{ID}","key":"{ID}"}}"#), ".key"),
        ] {
            assert_eq!(fields(fault(operation)), [format!("operations[1]{expected}")], "{operation}");
        }
        let several = r#"{"op":"create","key":1,"echo":{"emotion":"x","extra":1},"y":1}"#;
        let expected = [".key", ".echo.emotion", ".echo.extra", ".y"].map(|rest| format!("operations[1]{rest}"));
        assert_eq!(fields(fault(several)), expected);
    }

    #[test]
    fn an_echo_of_a_batch_may_be_as_long_as_one_alone() {
        let padded = |spaces: usize| {
            let echo = r#"{"emotion":"sad"}"#;
            format!(
                r#"{{"op":"create","echo":{}}}"#,
                echo.replacen('{', &format!("{{{}", " ".repeat(spaces - echo.len())), 1)
            )
        };
        assert!(read(&of(&[&padded(MAX_BODY_BYTES)])).unwrap()[0].operation.is_ok());
        let problem = fault(&padded(MAX_BODY_BYTES + 1));
        assert_eq!((problem.slug, &*problem.errors[0].field), (Slug::TooLarge, "operations[1].echo"));
    }

    #[test]
    fn a_key_is_added_and_nothing_else_changed() {
        let body = of(&[r#"{ "op":"create","echo":{"emotion":"sad","tags":["é\u0041"]}}"#]);
        let item = read(&body).unwrap().remove(0);
        let key = ID.parse().unwrap();
        let with_key = item.with_key(key);
        assert_eq!(
            with_key,
            format!(r#"{{"key":"{ID}", "op":"create","echo":{{"emotion":"sad","tags":["é\u0041"]}}}}"#)
        );
        assert!(with_key.len() - item.text().len() <= BATCH_KEY_BYTES);
        let body = of(&[&with_key]);
        let Operation::Create { key: read_key, .. } = read(&body).unwrap().remove(0).operation.unwrap() else {
            panic!()
        };
        assert_eq!(read_key, Some(key));
    }
}
