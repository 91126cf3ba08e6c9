//! How well observations are joined: precision and recall over pairs of races, on evidence whose causes are known.

mod labelled;

use labelled::{Quality, examples, generated};

#[test]
fn mutated_evidence_of_the_examples_is_joined_by_cause() {
    let quality = examples::measure(20);
    println!("examples: {quality}");
    assert!(quality.precision() >= 0.98, "{quality}");
    assert!(quality.recall() >= 0.98, "{quality}");
}

#[test]
fn generated_programs_are_joined_by_cause() {
    let quality: Quality = (0..60).map(generated::measure).sum();
    println!("generated: {quality}");
    assert!(quality.precision() >= 0.95, "{quality}");
    assert!(quality.recall() >= 0.9, "{quality}");
}

#[test]
fn the_order_of_the_evidence_does_not_matter() {
    for seed in 0..20 {
        let program = generated::Program::new(seed);
        let mut forwards = program.cluster_sizes(false);
        let mut backwards = program.cluster_sizes(true);
        forwards.sort_unstable();
        backwards.sort_unstable();
        assert_eq!(forwards, backwards, "seed {seed}");
    }
}
