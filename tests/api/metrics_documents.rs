//! That the page on metrics, the alert rules and the dashboard name metrics that there are, and are fit for use. What is
//! answered is compared with the page in `metrics.rs`.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../docs/operations/metrics.md");
const RULES: &str = include_str!("../../docs/operations/alerts.yml");
const RULES_TEST: &str = include_str!("../../docs/operations/alerts.test.yml");
const DASHBOARD: &str = include_str!("../../docs/operations/grafana-dashboard.json");

/// Name, type and labels of every metric on the page.
pub fn described() -> Vec<(String, String, BTreeSet<String>)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let described = rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 4 && cells[3].len() > 10, "{row}");
        let unquoted = |text: &str| text.trim_matches('`').to_owned();
        let labels = cells[2].split(", ").filter(|label| !label.is_empty()).map(unquoted).collect();
        (unquoted(cells[0]), cells[1].to_owned(), labels)
    });
    described.collect()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("signet_") || word.starts_with("process_"));
    metrics.map(str::to_owned).collect()
}

#[test]
fn the_rules_and_the_dashboard_name_metrics_that_there_are() {
    let described = described();
    let known: BTreeSet<String> = described
        .iter()
        .flat_map(|(name, kind, _)| {
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
        })
        .collect();
    // The annotations explain in words; the names they use are those of whole metrics.
    let whole: BTreeSet<String> = described.iter().map(|(name, ..)| name.clone()).collect();
    for (file, text) in [("alerts.yml", RULES), ("alerts.test.yml", RULES_TEST), ("grafana-dashboard.json", DASHBOARD)]
    {
        let unknown: Vec<_> =
            named(text).into_iter().filter(|name| !known.contains(name) && !whole.contains(name)).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    // What the page has and the dashboard does not would be looked at by nobody.
    let shown = named(DASHBOARD);
    let unseen: Vec<_> =
        whole.iter().filter(|name| !shown.iter().any(|shown| shown.starts_with(name.as_str()))).collect();
    assert_eq!(unseen, ["signet_tls_certificate_not_after_seconds"]);
}

#[test]
fn every_rule_is_tested_and_says_what_to_do() {
    let rules: Vec<_> = RULES.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 10);
    for rule in rules {
        let name = rule.lines().next().unwrap();
        assert!(RULES_TEST.contains(&format!("alertname=\"{name}\"")), "{name} has no test");
        for part in ["expr:", "severity:", "summary:", "runbook: >-"] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
    }
}

#[test]
fn the_dashboard_has_what_grafana_needs() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["title"].is_string() && dashboard["schemaVersion"].is_u64() && dashboard["uid"].is_string());
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(panel["title"].is_string() && panel["type"].is_string() && panel["gridPos"]["w"].is_u64(), "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            let pairs = [('(', ')'), ('{', '}'), ('[', ']')];
            assert!(
                pairs
                    .iter()
                    .all(|(open, close)| expression.matches(*open).count() == expression.matches(*close).count())
            );
        }
    }
}
