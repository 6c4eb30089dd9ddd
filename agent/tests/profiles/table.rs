//! Truth tables as text: the first row that fits gives the leaf, and the last row has to fit everything.

use kpi::Leaf;

/// A table and what its points can hold.
pub(crate) struct Table {
    pub(crate) profile: &'static str,
    /// The state table of the configuration; empty where the profile has one.
    pub(crate) state: &'static str,
    /// Every point with every value it can have; `-` is added to each: not known.
    pub(crate) domain: &'static [(&'static str, &'static str)],
    /// Points a machine may lack, with the value that is then taken.
    pub(crate) absent: &'static [(&'static str, &'static str)],
    /// Rows `point=value,value other!=value -> leaf`.
    pub(crate) rows: &'static str,
    /// Vectors that are known although a point is not, which does not matter then.
    pub(crate) known_although: &'static str,
}

/// One row.
pub(crate) struct Row {
    cells: Vec<(&'static str, bool, Vec<&'static str>)>,
    pub(crate) leaf: Leaf,
    pub(crate) text: &'static str,
}

pub(crate) fn rows(table: &Table) -> Vec<Row> {
    let row = |text: &'static str| {
        let (cells, leaf) = text.trim().split_once("->").expect("a row has an arrow");
        let leaf = leaf.trim();
        let leaf = Leaf::ALL.into_iter().find(|l| l.en() == leaf).unwrap_or_else(|| panic!("no leaf {leaf}"));
        let cell = |cell: &'static str| {
            let (name, values) = cell.split_once('=').expect("a cell is name=values");
            let (name, wanted) = name.strip_suffix('!').map_or((name, true), |name| (name, false));
            let values: Vec<&str> = values.split(',').collect();
            let (_, domain) = table.domain.iter().find(|(n, _)| *n == name).expect("a row names a point");
            for value in &values {
                assert!(domain.split_whitespace().any(|v| v == *value), "{value} is no value of {name}");
            }
            (name, wanted, values)
        };
        Row { cells: cells.split_whitespace().map(cell).collect(), leaf, text }
    };
    table.rows.trim().lines().map(row).collect()
}

impl Row {
    fn fits(&self, values: &[(&str, &str)]) -> bool {
        self.cells.iter().all(|(name, wanted, set)| {
            let (_, value) = values.iter().find(|(n, _)| n == name).expect("every point has a value");
            set.contains(value) == *wanted
        })
    }
}

impl Table {
    /// Calls `see` with every vector and the leaves it may stand for: one if everything is known, else one for each
    /// way in which what is not known may turn out.
    pub(crate) fn each(
        &self,
        rows: &[Row],
        fixed: &[(&str, &str)],
        mut see: impl FnMut(&[(&str, &str)], &[Leaf]),
    ) {
        let values: Vec<(&str, Vec<&str>)> = self
            .domain
            .iter()
            .map(|(name, all)| match fixed.iter().find(|(lacking, _)| lacking == name) {
                Some((_, value)) => (*name, vec![*value]),
                None => (*name, ["-"].into_iter().chain(all.split_whitespace()).collect()),
            })
            .collect();
        let total: usize = values.iter().map(|(_, all)| all.len()).product();
        // Bit sets of leaves by vector, in the order of a number whose digits choose the values; `-` is digit 0, so
        // that what it may turn out to be stands later: from the end everything needed is there already.
        let mut possible = vec![0u16; total];
        for index in (0..total).rev() {
            let vector = vector(index, &values);
            possible[index] = match vector.iter().position(|(_, text)| *text == "-") {
                None => {
                    1 << rows.iter().find(|row| row.fits(&vector)).expect("the last row fits").leaf.index()
                }
                Some(place) => {
                    let step: usize = values[..place].iter().map(|(_, all)| all.len()).product();
                    (1..values[place].1.len())
                        .map(|digit| possible[index + digit * step])
                        .fold(0, |a, b| a | b)
                }
            };
        }
        for (index, bits) in possible.iter().enumerate() {
            let leaves: Vec<Leaf> = Leaf::ALL.into_iter().filter(|l| bits >> l.index() & 1 == 1).collect();
            see(&vector(index, &values), &leaves);
        }
    }
}

fn vector<'a>(mut index: usize, values: &[(&'a str, Vec<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    let mut chosen = vec![];
    for (name, all) in values {
        chosen.push((*name, all[index % all.len()]));
        index /= all.len();
    }
    chosen
}
