//! What pages say, one table for each language.
//!
//! A table is a value of [`Text`], so a message that a language lacks does not compile.

mod en;
mod zh;

pub(super) use en::EN;
pub(super) use zh::ZH;

macro_rules! text {
    ($($key:ident)*) => {
        /// All messages of a language.
        #[derive(Debug)]
        pub(crate) struct Text { $(pub(crate) $key: &'static str,)* }

        #[cfg(test)]
        impl Text {
            /// Keys and messages.
            fn entries(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($key), self.$key)),*]
            }
        }
    };
}

text! {
    // Around every page
    skip_to_content navigation nav_overview nav_findings log_out logged_in_as language theme theme_system
    theme_light theme_dark live live_connecting live_off live_reload reload
    // Login
    login login_intro login_token login_button login_refused login_bounce login_continue
    // Faults
    fault_back
    // Lists
    search kind kind_race kind_crash kind_static all sort apply pages previous next nothing_found first_seen
    last_seen occurrences share
    // Findings
    finding findings findings_intro searched_first records what_to_do
    // Accesses and stacks
    accesses later_access earlier_access statement no_stack source_code library_frames locks_held started_by goroutines
    goroutines_left_out goroutine_graph go_statement shared_memory on_the_heap global_variable reasons
    suggested_fix
    // Occurrences
    timeline occurrences_by_hour by_version by_instance version instance service environment
    // Root causes
    nav_causes causes_intro cause state state_open state_acknowledged state_fixed state_regressed fixed_in
    services window any_time window_5m window_1h window_24h window_7d severity score sure evidence_chain blame
    guard tests note save admins_act history shown_finding findings_of_cause statements
    // Services
    nav_services services_intro slts slts_explained slts_chart fleet_slts target compliance_1h budget_30d
    overspent burn burn_1h burn_6h burn_rates open_causes last_5m detector detector_on unknown_service
    versions_instances late_spans no_requests operations operation requests affected
    // Overview
    new_causes top_causes in_24h waiting
    // Locks
    nav_locks locks_intro no_locks contention_over_time contentions lock_calls lock call waited mean longest
    source
    // Alerts
    nav_alerts open_alerts no_alerts alert firings firing resolved since actions acknowledge silence silences
    new_silence labels hours reason until end only_open with_resolved deliveries receiver attempts delivered
    given_up to_be_sent time
    // Ingest
    nav_ingest ingest_intro since_start bytes_received bytes_decompressed accepted sent_again rejected_lines
    spans spans_rejected data_points files future_times past_times folded_names refused nothing_refused
    live_maps name strategy entries hit_rate streams stream last_received
    // Audit
    nav_audit audit_intro audit_head number actor act subject detail hash
    // Policies
    nav_policies policies_intro new_policy no_policies in_force on_trial revision revisions edit author
    try_out share_of_services roll_back release difference shadow sightings_looked_at shadow_incomplete
    trigger examples policy would_fail would_warn judged_by_gate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names between braces.
    fn places(message: &str) -> Vec<&str> {
        let mut names: Vec<_> = message
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name)
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn both_languages_say_everything_with_the_same_places() {
        for ((key, english), (other, chinese)) in EN.entries().into_iter().zip(ZH.entries()) {
            assert_eq!(key, other);
            assert!(!english.trim().is_empty() && !chinese.trim().is_empty(), "{key} is empty");
            assert_eq!(places(english), places(chinese), "{key}");
            assert!(!english.chars().any(|c| c >= '\u{2e80}'), "{key}: {english}");
        }
    }

    #[test]
    fn the_chinese_table_is_chinese() {
        // What both write alike is a term of the field.
        let alike: Vec<_> = EN.entries().into_iter().zip(ZH.entries()).filter(|(e, z)| e.1 == z.1).collect();
        assert!(alike.len() * 20 < EN.entries().len(), "{alike:?}");
    }
}
