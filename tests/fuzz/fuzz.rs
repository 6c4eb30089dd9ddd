//! The targets under libFuzzer, all in one program; PLUMBLINE_FUZZ_TARGET names which one runs.

#![no_main]

mod targets;

use std::sync::OnceLock;

static CHOSEN: OnceLock<targets::Target> = OnceLock::new();

/// Looks the target up, and lets panics that the product itself catches pass; every other one ends the run.
fn choose() {
    let name = std::env::var("PLUMBLINE_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = targets::target(&name) else {
        let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
        panic!("{name:?} is no target; PLUMBLINE_FUZZ_TARGET is one of {}", known.join(", "));
    };
    let ends_the_run = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !targets::panic_is_caught() {
            ends_the_run(panic);
        }
    }));
    CHOSEN.get_or_init(|| target);
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        target(data);
    }
});
