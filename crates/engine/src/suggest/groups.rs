//! Queries that are alike: k-means over their directions.

use fastrand::Rng;

use super::catalogue::dot;

/// Rounds at most; a few hundred queries settle in a dozen.
const ROUNDS: usize = 50;
/// Groups at most, so that a person reads them.
const MOST: usize = 8;

/// Groups unit vectors, the members of each nearest to its middle first, the largest group first. Lloyd's algorithm
/// from k-means++ beginnings (Arthur and Vassilvitskii, SODA 2007); the same seed gives the same groups.
pub(super) fn groups(vectors: &[&[f32]], seed: u64) -> Vec<Vec<usize>> {
    let wanted = ((vectors.len() as f64 / 2.0).sqrt().ceil() as usize).clamp(1, MOST);
    let mut middles = beginnings(vectors, wanted, &mut Rng::with_seed(seed));
    let mut belongs: Vec<usize> = Vec::new();
    for _ in 0..ROUNDS {
        let next: Vec<usize> = vectors.iter().map(|vector| nearest(&middles, vector).0).collect();
        if next == belongs {
            break;
        }
        belongs = next;
        for (number, middle) in middles.iter_mut().enumerate() {
            let members = vectors.iter().zip(&belongs).filter(|(_, own)| **own == number).map(|(vector, _)| *vector);
            if let Some(mean) = mean(members) {
                *middle = mean;
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); middles.len()];
    for (at, &own) in belongs.iter().enumerate() {
        groups.get_mut(own).into_iter().for_each(|group| group.push(at));
    }
    for (group, middle) in groups.iter_mut().zip(&middles) {
        let near = |at: &usize| vectors.get(*at).map_or(0.0, |vector| dot(vector, middle));
        group.sort_by(|left, right| near(right).total_cmp(&near(left)).then(left.cmp(right)));
    }
    groups.retain(|group| !group.is_empty());
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

fn nearest(middles: &[Vec<f32>], vector: &[f32]) -> (usize, f32) {
    let scored = middles.iter().map(|middle| dot(middle, vector)).enumerate();
    scored.max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0))).unwrap_or((0, 0.0))
}

fn beginnings(vectors: &[&[f32]], wanted: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
    let mut middles: Vec<Vec<f32>> = Vec::new();
    while middles.len() < wanted.min(vectors.len()) {
        // Unit vectors: the squared distance is 2 − 2 cos.
        let far = |vector: &&[f32]| if middles.is_empty() { 1.0 } else { (1.0 - nearest(&middles, vector).1).max(0.0) };
        let weights: Vec<f32> = vectors.iter().map(far).collect();
        let mut left = rng.f32() * weights.iter().sum::<f32>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        let Some(next) = vectors.get(drawn.unwrap_or(0)) else { break };
        if weights.iter().all(|&weight| weight <= 0.0) {
            break;
        }
        middles.push(next.to_vec());
    }
    middles
}

fn mean<'a>(members: impl Iterator<Item = &'a [f32]>) -> Option<Vec<f32>> {
    let mut sum: Vec<f32> = Vec::new();
    for member in members {
        sum.resize(member.len(), 0.0);
        sum.iter_mut().zip(member).for_each(|(sum, value)| *sum += value);
    }
    let length = dot(&sum, &sum).sqrt();
    (length > 0.0).then(|| sum.iter().map(|value| value / length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_the_same_way_is_one_group() {
        let at = |degrees: f32| vec![degrees.to_radians().cos(), degrees.to_radians().sin()];
        let directions = [0.0, 90.0, 180.0];
        let vectors: Vec<Vec<f32>> =
            (0..18_u8).map(|one| at(directions[usize::from(one % 3)] + f32::from(one) / 9.0)).collect();
        let slices: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
        for seed in 0..20 {
            let found = groups(&slices, seed);
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 6], "seed {seed}: {found:?}");
            assert!(found.iter().all(|group| group.iter().all(|at| at % 3 == group[0] % 3)), "seed {seed}: {found:?}");
            assert_eq!(found, groups(&slices, seed));
        }
    }

    #[test]
    fn few_and_equal_vectors_are_grouped_too() {
        assert!(groups(&[], 1).is_empty());
        let one = [1.0_f32, 0.0];
        assert_eq!(groups(&[&one, &one, &one], 1), [[0, 1, 2]]);
    }
}
