//! What goes wrong in a life, and when: each day draws its faults. What a fault does to the products is not
//! decided here.

use super::disk::{self, Armed};
use super::gateway_side::GatewayDisk;
use super::plan::{DAY, HOUR, MINUTE};
use super::world::{Event, World, remove_spool};

impl World {
    /// Draws the day: when boxes are on, and what goes wrong.
    pub(crate) fn morning(&mut self) {
        self.at(self.now + DAY, Event::Morning);
        for i in 0..self.boxes.len() {
            let start = self.now + self.random.between(0, HOUR);
            self.at(start, Event::On(i));
            if !self.calm {
                self.box_faults(i, start);
            }
        }
        if !self.calm {
            self.gateway_faults();
        }
    }

    fn box_faults(&mut self, i: usize, start: i64) {
        let chance = self.plan.faults;
        let random = &mut self.random;
        let soon = start + random.between(0, 3 * HOUR);
        let mut due = vec![];
        if random.permille(chance) {
            let left = u32::try_from(random.between(1, 25)).unwrap();
            self.boxes[i].arm(left);
        }
        if random.permille(chance) {
            self.boxes[i].cut_until = soon + random.between(MINUTE, 7 * DAY);
        }
        if random.permille(chance / 2) {
            due.push((soon, Event::BoxDisk(i, true)));
            due.push((soon + random.between(MINUTE, 2 * DAY), Event::BoxDisk(i, false)));
        }
        if random.permille(chance) {
            let to_1970 = -self.now;
            let to_2036 = 2_085_978_496_000 - self.now;
            let offset = [-HOUR, HOUR, -3 * MINUTE, 3 * MINUTE, to_1970, to_2036, 0][random.pick(7)];
            // A box whose clock is years ahead must be put right before it starts again.
            let lasts = if offset == to_2036 {
                random.between(MINUTE, HOUR)
            } else {
                random.between(MINUTE, 2 * DAY)
            };
            let begins = start + random.between(5 * MINUTE, HOUR);
            due.push((begins, Event::Clock(i, offset, random.between(-200, 200))));
            due.push((begins + lasts, Event::Clock(i, 0, random.between(-50, 50))));
        }
        for (time, event) in due {
            self.at(time, event);
        }
    }

    fn gateway_faults(&mut self) {
        let chance = self.plan.faults;
        let random = &mut self.random;
        if random.permille(chance) {
            let left = u32::try_from(random.between(1, 40)).unwrap();
            let data = self.root.path().join("gateway");
            let image = self.root.path().join("gateway-image");
            self.gateway_armed = Some(Armed { left, files: data, image });
        }
        if random.permille(chance / 2) {
            let full = self.now + random.between(0, 5 * HOUR);
            let free = full + random.between(MINUTE, DAY);
            let bad = if random.permille(500) { GatewayDisk::Full } else { GatewayDisk::Refusing };
            self.at(full, Event::GatewayDisk(bad));
            self.at(free, Event::GatewayDisk(GatewayDisk::Well));
        } else if random.permille(chance) {
            self.gateway_offset = [0, HOUR, -HOUR][random.pick(3)];
        }
        if self.plan.backups {
            self.backups();
        }
    }

    fn backups(&mut self) {
        let (data, backup) = (self.gateway_data(), self.root.path().join("backup"));
        if !self.backed_up && self.random.permille(300) {
            self.note("gateway backed up");
            disk::copy(&data, &backup);
            self.backed_up = true;
        } else if self.backed_up && self.history == 0 && self.random.permille(250) {
            self.note("gateway put back to its backup");
            self.bury_gateway();
            disk::put_back(&backup, &data);
            self.history += 1;
            self.within(0, HOUR, Event::GatewayOn);
        }
    }

    /// Before a start the disk may be copied, or put back to the copy.
    pub(crate) fn snapshots(&mut self, i: usize) {
        let b = &self.boxes[i];
        if self.random.permille(150) {
            disk::copy(&b.data(), &b.snapshot());
            self.note(&format!("box {i} disk copied"));
        } else if b.snapshot().is_dir() && self.random.permille(100) {
            if self.random.permille(500) {
                disk::put_back(&b.snapshot(), &b.data());
                self.note(&format!("box {i} disk put back"));
            } else if b.snapshot().join("spool.db").exists() {
                // Only the spool; what stands beside it knows better.
                remove_spool(&b.data());
                for name in ["spool.db", "spool.db-wal"] {
                    let _ = std::fs::copy(b.snapshot().join(name), b.data().join(name));
                }
                self.note(&format!("box {i} spool put back"));
            }
        }
    }

    /// No more faults: everything is repaired.
    pub(crate) fn calm_down(&mut self) {
        self.note("calm");
        self.calm = true;
        self.gateway_armed = None;
        self.gateway_offset = 0;
        for b in &mut self.boxes {
            b.armed = None;
            b.cut_until = 0;
            b.fill_disk(false);
            b.clock.bend(0, 0);
        }
        // What is still under way of clocks and disks ends now; what is on the wire still arrives.
        self.events.values_mut().for_each(|event| match event {
            Event::Clock(_, offset, drift) => (*offset, *drift) = (0, 0),
            Event::GatewayDisk(disk) => *disk = GatewayDisk::Well,
            Event::BoxDisk(_, full) => *full = false,
            _ => {}
        });
        self.turn_gateway_disk(GatewayDisk::Well);
        self.at(self.now, Event::GatewayOn);
    }
}
