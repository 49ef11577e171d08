import type { Mulberry32 } from '../random/mulberry32.js';

/** By then the clusters have settled, or go back and forth between equals. */
const MOST_ROUNDS = 25;

/**
 * k-means with clusters of at most ceil(points / clusters) points: Lloyd's rounds, in each of which the points choose one
 * after the other the nearest centre that has room, those first that are nearest to theirs, compared with the others. The k-means
 * of libraries knows no such bound, and codes of a bounded length need it.
 *
 * @param points vectors of one length, at least as many as clusters
 * @returns the cluster of each point
 */
export function balancedClusters(points: readonly Float64Array[], clusters: number, random: Mulberry32): Int32Array {
  const room = Math.ceil(points.length / clusters);
  let centres = firstCentres(points, clusters, random);
  let labels: Int32Array = new Int32Array(points.length).fill(-1);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = assign(distancesBetween(points, centres), clusters, room);
    if (next.every((label, point) => label === labels[point])) break;
    labels = next;
    const means = clusterMeans(points, labels);
    // A cluster without points keeps its centre.
    centres = centres.map((centre, cluster) => means.get(cluster) ?? centre);
  }
  return labels;
}

/** k-means++: points drawn with the square of their distance to the nearest centre so far. */
function firstCentres(points: readonly Float64Array[], clusters: number, random: Mulberry32): Float64Array[] {
  const centres = [points[Math.floor(random.uniform() * points.length)] as Float64Array];
  const nearest = new Float64Array(points.length).fill(Number.POSITIVE_INFINITY);
  while (centres.length < clusters) {
    const last = centres.at(-1) as Float64Array;
    let total = 0;
    points.forEach((point, index) => {
      nearest[index] = Math.min(nearest[index] as number, squaredDistance(point, last));
      total += nearest[index] as number;
    });
    let left = random.uniform() * total;
    const drawn = nearest.findIndex((square) => {
      left -= square;
      return left < 0;
    });
    // All points are centres already: equal centres share what is there.
    centres.push(points[Math.max(0, drawn)] as Float64Array);
  }
  return centres;
}

/** `[points, clusters]` */
function distancesBetween(points: readonly Float64Array[], centres: readonly Float64Array[]): Float64Array {
  const distances = new Float64Array(points.length * centres.length);
  points.forEach((point, row) => {
    centres.forEach((centre, cluster) => {
      distances[row * centres.length + cluster] = squaredDistance(point, centre);
    });
  });
  return distances;
}

function assign(distances: Float64Array, clusters: number, room: number): Int32Array {
  const labels = new Int32Array(distances.length / clusters);
  const rowOf = (point: number) => distances.subarray(point * clusters, (point + 1) * clusters);
  const urgency = Array.from(labels, (_, point) => {
    const row = rowOf(point);
    return (
      row.reduce((least, distance) => Math.min(least, distance), Infinity) -
      row.reduce((sum, distance) => sum + distance, 0) / clusters
    );
  });
  const order = urgency
    .map((_, point) => point)
    .sort((a, b) => (urgency[a] as number) - (urgency[b] as number) || a - b);
  const taken = new Int32Array(clusters);
  for (const point of order) {
    let best = -1;
    const row = rowOf(point);
    row.forEach((distance, cluster) => {
      const hasRoom = (taken[cluster] as number) < room;
      if (hasRoom && (best < 0 || distance < (row[best] as number))) best = cluster;
    });
    labels[point] = best;
    taken[best] = (taken[best] as number) + 1;
  }
  return labels;
}

/** The mean of the points of each cluster that has any. */
export function clusterMeans(points: readonly Float64Array[], labels: Int32Array): Map<number, Float64Array> {
  const sums = new Map<number, Float64Array>();
  const counts = new Map<number, number>();
  points.forEach((point, index) => {
    const label = labels[index] as number;
    const sum = sums.get(label) ?? new Float64Array(point.length);
    for (let k = 0; k < point.length; k++) sum[k] = (sum[k] as number) + (point[k] as number);
    sums.set(label, sum);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  return new Map([...sums].map(([label, sum]) => [label, sum.map((value) => value / (counts.get(label) as number))]));
}

function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += ((a[k] as number) - (b[k] as number)) ** 2;
  return sum;
}
