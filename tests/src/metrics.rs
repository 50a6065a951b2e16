//! A core's metrics, as a scraper reads them.

use crate::cores::Core;

/// The sum of the samples with this name and these labels; zero while there is none.
pub fn sample(text: &str, name: &str, labels: &[&str]) -> f64 {
    let ours = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    };
    text.lines().filter(ours).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

impl Core {
    /// The same of what this core says now.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sample(&self.admin("/metrics").expect(200).text(), name, labels)
    }
}
