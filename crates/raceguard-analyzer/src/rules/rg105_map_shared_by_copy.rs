//! RG105: the copy of a struct shares its maps with the original.

use super::Rule;
use crate::finding::Severity;

/// `RG105`
pub const RULE: Rule = Rule {
    code: "RG105",
    name: "map-shared-by-copy",
    summary: "A struct is copied, and a map that both copies share is changed",
    severity: Severity::Warning,
    what: "Reports a function that copies a struct from somewhere else (`copy := *original`, a field, a package-level \
           variable, a value receiver) and then changes a map of the copy in place, without giving the copy a map of \
           its own.",
    why: "Assigning a struct copies the reference, not the map. The change shows up in the original, which other \
          goroutines may be reading under a lock that the copy knows nothing of.",
    bad: r#"package config

type Config struct {
	Name   string
	Labels map[string]string
}

func (c *Config) WithLabel(key, value string) *Config {
	derived := *c
	derived.Labels[key] = value // want RG105 "derived.Labels"
	return &derived
}
"#,
    good: r#"package config

import "maps"

type Config struct {
	Name   string
	Labels map[string]string
}

func (c *Config) WithLabel(key, value string) *Config {
	derived := *c
	derived.Labels = maps.Clone(c.Labels)
	derived.Labels[key] = value
	return &derived
}
"#,
    remedy: "Give the copy its own map before changing it: `derived.Labels = maps.Clone(original.Labels)`.",
    limits: "Only copies and changes in the same function are seen, not those through helpers, and not maps that lie \
             deeper than one pointer.",
    fixable: true,
};
