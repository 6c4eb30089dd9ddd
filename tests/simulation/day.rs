//! A box's day: switched on, steps and pushes, and switched off or dead. Its requests get their fate here, too:
//! when they arrive, whether at all, and whether twice.

use super::network::Request;
use super::oracle::covered;
use super::plan::{DAY, HOUR, MINUTE};
use super::world::{Event, World};
use agent::runtime::simulated::{Agent, Round};
use agent::uplink_client::carried::Carried;
use evidence::statement::open;
use std::time::Duration;

/// A client gives up after so long, ms.
const PATIENCE: i64 = 30_000;

impl World {
    pub(crate) fn on(&mut self, i: usize) {
        if self.boxes[i].agent.is_some() {
            return;
        }
        if self.plan.snapshots && !self.calm {
            self.snapshots(i);
        }
        let b = &mut self.boxes[i];
        b.off_at = self.now + self.random.between(2 * HOUR, 4 * HOUR);
        let alive = b.boot();
        let life = b.life;
        if alive {
            self.note(&format!("box {i} on, life {life}"));
            self.at(self.now + 1000, Event::Push(i, life));
            self.within(MINUTE, HOUR, Event::Step(i, life));
        } else {
            self.died(i);
        }
    }

    fn died(&mut self, i: usize) {
        self.note(&format!("box {i} died"));
        let again = self.now + self.random.between(10_000, 5 * HOUR);
        self.at(again, Event::On(i));
    }

    pub(crate) fn step(&mut self, i: usize) {
        self.boxes[i].step(&mut self.random);
        if self.boxes[i].agent.is_none() {
            return self.died(i);
        }
        let life = self.boxes[i].life;
        self.push(i);
        if self.boxes[i].life != life {
            return;
        }
        self.remember_beginning(i);
        if self.random.permille(20) {
            let done = self.boxes[i].work(|agent| agent.maintain().unwrap());
            if done.is_none() {
                return self.died(i);
            }
        }
        if self.now < self.boxes[i].off_at {
            let next = self.now + self.random.between(20 * MINUTE, HOUR);
            return self.at(next, Event::Step(i, life));
        }
        match self.random.between(0, 9) {
            0 if !self.calm => {
                self.note(&format!("box {i} plug pulled"));
                self.boxes[i].pull_plug();
            }
            // Left on over night, sometimes.
            1 => self.at(self.now + HOUR, Event::Step(i, life)),
            _ => {
                self.boxes[i].off();
                self.note(&format!("box {i} off"));
            }
        }
    }

    /// The first statement fixes where the evidence of a box begins: nothing before it was promised to anybody.
    fn remember_beginning(&mut self, i: usize) {
        if self.boxes[i].begins.is_some() {
            return;
        }
        let first = self.boxes[i].work(|agent| agent.statements(0).unwrap().into_iter().next());
        let spans = first.flatten().map(|first| covered(&open(&first.bytes).unwrap().payload));
        self.boxes[i].begins = spans.and_then(|spans| spans.iter().map(|span| span.0).min());
    }

    pub(crate) fn push(&mut self, i: usize) {
        let begun = self.boxes[i].work(|agent| {
            if !agent.is_busy() {
                agent.begin_push();
            }
        });
        match begun {
            Some(()) => self.go_on(i),
            None if self.boxes[i].agent.is_none() => {}
            None => self.died(i),
        }
    }

    /// Lets the uplink go on until it waits for the network or has nothing to do.
    pub(crate) fn go_on(&mut self, i: usize) {
        loop {
            let had = self.boxes[i].agent.is_some();
            let round = self.boxes[i].poll();
            if had && self.boxes[i].agent.is_none() {
                return self.died(i);
            }
            for request in self.boxes[i].wire.take() {
                self.send(i, request);
            }
            let life = self.boxes[i].life;
            match round {
                Some(Round::Pushed(Some(pause))) if pause > Duration::ZERO => {
                    let pause = i64::try_from(pause.as_millis()).unwrap().max(10 * MINUTE);
                    return self.at(self.now + pause, Event::Push(i, life));
                }
                Some(Round::Pushed(Some(_))) => {
                    self.boxes[i].work(Agent::begin_push);
                }
                Some(Round::Pushed(None)) => {
                    if self.now - self.boxes[i].looked_at_log < HOUR {
                        return;
                    }
                    self.boxes[i].looked_at_log = self.now;
                    if self.boxes[i].work(Agent::begin_seal) != Some(true) {
                        return;
                    }
                }
                Some(Round::Sealed(_) | Round::Ending) | None => return,
            }
        }
    }

    /// Chooses the fate of a request.
    fn send(&mut self, i: usize, request: Request) {
        let life = self.boxes[i].life;
        if let Some(body) = &request.body {
            for statement in uplink::split(body).unwrap() {
                self.sent.insert(evidence::hash::leaf(statement));
            }
        }
        let none: Carried = Err("no answer".to_owned());
        let give_up = Event::Reply { from: i, life, request: request.clone(), carried: none };
        self.at(self.now + PATIENCE, give_up);
        let cut = self.now < self.boxes[i].cut_until;
        let bad = if self.calm { 0 } else { self.plan.faults / 4 };
        let there = self.now + self.random.between(5, 2000);
        if request.body.is_some() && self.random.permille(bad) {
            // Comes late, perhaps days after its sender gave up, and perhaps besides the one in time.
            let late = self.now + self.random.between(MINUTE, 3 * DAY);
            self.at(late, Event::Request { from: i, life, request: request.clone(), reply: false });
        }
        if !cut && !self.random.permille(bad) {
            self.at(there, Event::Request { from: i, life, request, reply: true });
        }
    }
}
