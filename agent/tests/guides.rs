//! The operators' guides name what the program has: profiles with class and confidence, commands and their options.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use agent::commands::Cli;
use agent::configuration::{Profile, profile_names};
use clap::CommandFactory;

const GUIDES: [&str; 2] = [include_str!("../../docs/machines.zh.md"), include_str!("../../docs/machines.md")];

#[test]
fn the_guides_list_every_profile_once_with_its_class_and_confidence() {
    for guide in GUIDES {
        let rows: Vec<Vec<&str>> = guide
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let names: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
        assert_eq!(names, profile_names().collect::<Vec<_>>());
        for row in rows {
            let profile = Profile::named(row[0].trim_matches('`')).unwrap();
            let header = profile.header();
            assert_eq!((row[2], row[3]), (header.class.as_str(), header.confidence.letter()), "{}", row[0]);
        }
    }
}

#[test]
fn every_command_of_the_guides_is_one_of_the_program() {
    let mut commands = 0;
    for guide in GUIDES {
        let joined = guide.replace("\\\n", " ");
        for line in joined.lines().filter(|line| line.starts_with("plumbline-agent ")) {
            let words = line.split('#').next().unwrap().split_whitespace();
            let parsed = Cli::command().try_get_matches_from(words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            commands += 1;
        }
    }
    assert_eq!(commands, 12);
}
