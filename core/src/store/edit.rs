//! Editing an echo: one conditional update of the version that the editor saw, which can be repeated.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoEdit, EchoId, Region, Timestamp, UserId};

use super::echo::damaged;
use super::item::{self, Item, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Times that an edit is tried under one key: a second one where the echo's time of change lies ahead of our clock.
const MAX_ROUNDS: usize = 3;

/// What an edit met.
#[derive(Debug, Clone, PartialEq)]
pub enum EditOutcome {
    /// The version that the editor saw: the echo as the edit made it, by this call or by an earlier try of it.
    Edited(Box<Echo>),
    /// Another version; nothing was done.
    Changed,
    /// An echo whose home is another region; nothing was done.
    Elsewhere(Region),
    /// Another person's echo.
    Anothers,
    /// Nothing that lives.
    Unknown,
}

/// An edit as one region makes it.
#[derive(Debug, Clone, Copy)]
struct Attempt<'a> {
    edit: &'a EchoEdit,
    /// The version that the editor saw.
    seen: u64,
    here: Region,
    fallback: bool,
    now: Timestamp,
    /// The time of change to be written.
    updated_at: Timestamp,
}

/// What the item that refused an edit says.
#[derive(Debug, PartialEq)]
enum Refused {
    /// The call is over.
    For(EditOutcome),
    /// The version that the editor saw has not arrived in this region yet.
    UntilHeardOf,
    /// Only our clock stood in the way: the echo says that it was changed later than now.
    UntilChanged(Timestamp),
}

impl Store {
    /// Edits the version `seen` of the echo `id` of `user`, in one round trip where it lies under its likeliest key.
    ///
    /// Only an echo's home region edits it, unless `fallback` says that the home is down, as with [`Store::delete`]. The same
    /// edit of the same version again is the same edit: whoever did not hear the answer may ask for it again, here or in
    /// another region, and the version rises once. No index key changes, so nothing moves.
    ///
    /// # Errors
    /// Where the store fails; and in place of a home that is down, where the version seen has not arrived here yet.
    pub async fn edit(
        &self,
        user: &UserId,
        id: EchoId,
        seen: u64,
        edit: &EchoEdit,
        fallback: bool,
        now: Timestamp,
    ) -> Result<EditOutcome, StoreError> {
        let attempt = Attempt { edit, seen, here: self.config.region, fallback, now, updated_at: now };
        for hash in self.hash_keys(user, id, now).await? {
            if let Some(outcome) = self.edit_under(&hash, id, attempt).await? {
                return Ok(outcome);
            }
        }
        // The index tells another person's echo from none at all, and finds one that lies under a key not known here yet.
        match self.indexed(id, now).await? {
            Some((hash, echo)) if echo.user_id == *user => {
                Ok(self.edit_under(&hash, id, attempt).await?.unwrap_or(EditOutcome::Unknown))
            }
            Some(_) => Ok(EditOutcome::Anothers),
            None => Ok(EditOutcome::Unknown),
        }
    }

    /// The same under one base hash key; `None` where nothing lies there.
    async fn edit_under(
        &self,
        hash: &str,
        id: EchoId,
        mut attempt: Attempt<'_>,
    ) -> Result<Option<EditOutcome>, StoreError> {
        const OPERATION: &str = "UpdateItem";
        let key = item::base_key(hash, id);
        for _ in 0..MAX_ROUNDS {
            let update = self.client.update_item().table_name(self.echoes());
            let update = attempt.write(update.set_key(Some(key.clone()))).return_consumed_capacity(INDEXES);
            match self.count(OPERATION, update.send().await) {
                Ok(output) => {
                    let written = output.attributes.unwrap_or_default();
                    return match item::read(&written).map_err(damaged)? {
                        Stored::Echo(echo, _) => Ok(Some(EditOutcome::Edited(echo))),
                        Stored::Tombstone { .. } => Ok(Some(EditOutcome::Unknown)),
                    };
                }
                Err(error) => match refused_by(&error) {
                    Some(None) => return Ok(None),
                    Some(Some(old)) => match attempt.judge(item::read(old).map_err(damaged)?) {
                        Refused::For(outcome) => return Ok(Some(outcome)),
                        Refused::UntilHeardOf => return Err(StoreError::Behind),
                        Refused::UntilChanged(changed_at) => attempt.updated_at = changed_at,
                    },
                    None => return Err(StoreError::from_sdk(OPERATION, &error)),
                },
            }
        }
        Err(StoreError::Contended)
    }
}

impl Attempt<'_> {
    /// The update and its condition: an echo, alive, of the version seen, at home here, and not changed later than
    /// this change, for `updatedAt` never runs backwards.
    fn write(&self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let mut sets = vec!["#version = :next".to_owned(), "#updated = :changed".to_owned()];
        let mut removes = Vec::new();
        let mut update = update;
        for (number, (name, value)) in item::of_edit(self.edit).into_iter().enumerate() {
            update = update.expression_attribute_names(format!("#f{number}"), name);
            match value {
                Some(value) => {
                    sets.push(format!("#f{number} = :f{number}"));
                    update = update.expression_attribute_values(format!(":f{number}"), value);
                }
                None => removes.push(format!("#f{number}")),
            }
        }
        let mut change = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            change.push_str(&format!(" REMOVE {}", removes.join(", ")));
        }
        let mut condition = "attribute_exists(#id) AND #version = :seen AND #updated <= :changed AND \
                             (attribute_not_exists(#ttl) OR #ttl > :seconds)"
            .to_owned();
        if !self.fallback {
            condition.push_str(" AND #origin = :here");
            update = update
                .expression_attribute_names("#origin", item::ORIGIN)
                .expression_attribute_values(":here", item::string(self.here.as_str()));
        }
        update
            .update_expression(change)
            .condition_expression(condition)
            .expression_attribute_names("#id", schema::ECHO_ID)
            .expression_attribute_names("#ttl", schema::TTL)
            .expression_attribute_names("#version", item::VERSION)
            .expression_attribute_names("#updated", item::UPDATED_AT)
            .expression_attribute_values(":seen", item::number(self.seen))
            .expression_attribute_values(":next", item::number(self.seen.saturating_add(1)))
            .expression_attribute_values(":changed", item::string(self.updated_at.to_string()))
            .expression_attribute_values(":seconds", item::number(self.now.epoch_seconds()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Why `old` refused the edit.
    fn judge(&self, old: Stored) -> Refused {
        let Stored::Echo(echo, _) = old else { return Refused::For(EditOutcome::Unknown) };
        if !echo.lives_at(self.now) {
            return Refused::For(EditOutcome::Unknown);
        }
        if echo.origin != self.here && !self.fallback {
            return Refused::For(EditOutcome::Elsewhere(echo.origin));
        }
        // The next version with this content is what an earlier try of the same edit made, whose answer was lost; RFC 9110,
        // section 13.1.1, then allows to answer that it succeeded.
        if Some(echo.version) == self.seen.checked_add(1) && self.edit.is_done(&echo) {
            return Refused::For(EditOutcome::Edited(echo));
        }
        // Its home, which is down, may have edited it since; a 412 would tell the editor to look again at what is older.
        if self.fallback && echo.version < self.seen {
            return Refused::UntilHeardOf;
        }
        if echo.version != self.seen {
            return Refused::For(EditOutcome::Changed);
        }
        Refused::UntilChanged(echo.updated_at)
    }
}

/// The item that made the condition fail: `Some(None)` where there was none, `None` where something else went wrong.
fn refused_by<R>(error: &SdkError<UpdateItemError, R>) -> Option<Option<&Item>> {
    match error.as_service_error()? {
        UpdateItemError::ConditionalCheckFailedException(failed) => {
            Some(failed.item().filter(|item| !item.is_empty()))
        }
        _ => None,
    }
}
