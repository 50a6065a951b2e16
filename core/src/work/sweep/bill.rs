//! What a round of the sweep did, what that cost, and after how many months the freed storage has paid for it.

use std::fmt;

use serde_json::{Value, json};

use crate::prices::{BYTE_MONTH_DOLLARS, READ_UNIT_DOLLARS, WRITE_UNIT_DOLLARS};
use crate::store::SweepStep;
use crate::units::Units;

/// The sums of one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bill {
    /// All regions that hold the table, but this one: each is charged as much for a replicated write as this one for the write.
    other_regions: f64,
    /// Entries past 90 days that were looked at, those of other regions included.
    pub looked_at: usize,
    /// Echoes that left the index.
    pub swept: usize,
    /// Echoes that changed under the sweep, which a later round finds.
    pub changed: usize,
    /// Units of this region, position and all.
    pub units: Units,
    /// Write units of the updates, which are made again in each other region.
    pub replicated_units: f64,
    /// Bytes freed in each region.
    pub freed_bytes: u64,
}

impl Bill {
    /// A round's in one of so many regions, before it has done anything.
    pub(super) fn new(regions: usize) -> Self {
        Self {
            other_regions: regions.saturating_sub(1) as f64,
            looked_at: 0,
            swept: 0,
            changed: 0,
            units: Units::default(),
            replicated_units: 0.0,
            freed_bytes: 0,
        }
    }

    pub(super) fn add(&mut self, step: &SweepStep) {
        self.looked_at += step.looked_at;
        self.swept += step.swept;
        self.changed += step.changed;
        self.replicated_units += step.replicated_units;
        self.freed_bytes += step.freed_bytes;
    }

    /// Write units of all other regions together.
    fn units_elsewhere(&self) -> f64 {
        self.replicated_units * self.other_regions
    }

    /// What the round cost, in all regions.
    fn dollars(&self) -> f64 {
        self.units.read * READ_UNIT_DOLLARS + (self.units.write + self.units_elsewhere()) * WRITE_UNIT_DOLLARS
    }

    /// What the freed storage would have cost in a month, in all regions.
    fn dollars_saved_monthly(&self) -> f64 {
        self.freed_bytes as f64 * (self.other_regions + 1.0) * BYTE_MONTH_DOLLARS
    }

    /// Months until the round has paid for itself; `None` where it saves nothing.
    fn months_to_pay(&self) -> Option<f64> {
        (self.freed_bytes > 0).then(|| self.dollars() / self.dollars_saved_monthly())
    }

    /// For machines.
    pub(super) fn figures(&self) -> Value {
        json!({
            "lookedAt": self.looked_at,
            "swept": self.swept,
            "changed": self.changed,
            "replicatedWriteUnits": self.units_elsewhere(),
            "freedBytesPerRegion": self.freed_bytes,
            "dollars": self.dollars(),
            "dollarsSavedMonthly": self.dollars_saved_monthly(),
            "monthsToPay": self.months_to_pay(),
        })
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { looked_at, swept, units, freed_bytes, .. } = self;
        write!(f, "swept {swept} of {looked_at} entries past 90 days")?;
        if self.changed > 0 {
            write!(f, ", {} changed meanwhile", self.changed)?;
        }
        let (dollars, elsewhere) = (self.dollars(), self.units_elsewhere());
        write!(f, "; cost {units} here and {elsewhere} WRU in the other regions, ${dollars:.6} in all")?;
        let saved = self.dollars_saved_monthly();
        write!(f, "; freed {freed_bytes} bytes in each region, ${saved:.6} a month in all")?;
        self.months_to_pay().map_or(Ok(()), |months| write!(f, ", which pays for it after {months:.1} months"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_counts_every_region() {
        let mut bill = Bill::new(4);
        assert_eq!(bill.months_to_pay(), None);
        // Two echoes of less than a KiB: five write units each in each of four regions.
        bill.add(&SweepStep {
            looked_at: 3,
            swept: 2,
            freed_bytes: 1_600,
            replicated_units: 10.0,
            ..SweepStep::default()
        });
        bill.units = Units { read: 0.5, write: 10.0 };
        let dollars = 40.0 * 0.625e-6 + 0.5 * 0.125e-6;
        assert!((bill.dollars() - dollars).abs() < 1e-12, "{}", bill.dollars());
        let months = bill.months_to_pay().unwrap();
        assert!((16.0..18.0).contains(&months), "{months}");
        let text = bill.to_string();
        assert!(text.starts_with("swept 2 of 3 entries past 90 days; cost 0.5 RRU 10 WRU here and 30 WRU"), "{text}");
        assert_eq!(bill.figures()["swept"], 2);
    }
}
