/** The places that a search finds, in the order in which they are found, and then in the one that is asked for. At once, or in slices. */
import type { Execution } from '../execution.ts'
import type { Place } from '../types/geo-hash.ts'
import { distanceWithin, placeOf, scoreRanges } from '../types/geo-hash.ts'
import { wantRank, wantRanks } from '../types/sorted-set-wants.ts'
import type { GeoSearch } from './geo-options.ts'
import type { Slices } from './repeated-work.ts'
import { ScoredList } from './scored-list.ts'
import { allInOrder, partInOrder, Stint } from './sort-order.ts'

/** Elements that are looked at before the search finds out that it has enough. */
const lookedAtOnce = 64
/** An element takes about as long as so many comparisons. */
const comparisonsPerElement = 8

export class Found {
  readonly elements = new ScoredList()
  readonly distances: number[] = []
  readonly #place: Place = { longitude: 0, latitude: 0 }

  get count(): number {
    return this.distances.length
  }

  /** Searches the sorted set whose entry `find` tells (0 for none); in slices of `atOnce` elements, if told. Returns the numbers of what is asked for, in order. */
  *selecting(x: Execution, find: () => number, asked: GeoSearch, atOnce = 0): Slices<Uint32Array> {
    const { any } = asked
    const countMax = asked.count === 0 ? Number.POSITIVE_INFINITY : asked.count
    if (find() !== 0) yield* this.#searching(x, find, asked, any ? countMax : Number.POSITIVE_INFINITY, atOnce)
    const count = Math.min(this.count, countMax)
    const order = asked.count !== 0 && asked.order === 'none' && !any ? 'ascending' : asked.order
    const numbers = yield* this.#ordered(order, count, atOnce)
    return numbers.subarray(0, count)
  }

  /** Searches everywhere, or up to `max` places. */
  *#searching(x: Execution, find: () => number, { shape }: GeoSearch, max: number, atOnce: number): Slices<void> {
    const { sortedSets } = x.mutator.types
    const { trees } = sortedSets
    const root = (): number => x.keyspace.entries.value(find())
    const step = atOnce === 0 ? lookedAtOnce : atOnce
    for (const { min, end } of scoreRanges(shape)) {
      if (atOnce !== 0) {
        yield (wants) => {
          for (const score of [min, end]) wantRank(trees, root(), trees.places.rankOfScore(root(), score, false), wants)
        }
      }
      const last = sortedSets.rankOfScore(find(), end, false)
      for (let rank = sortedSets.rankOfScore(find(), min, false); rank < last && this.count < max; rank += step) {
        const count = Math.min(step, last - rank)
        const from = rank
        if (atOnce !== 0) {
          yield (wants) => {
            wantRanks(trees, root(), from, count, false, wants)
          }
        }
        sortedSets.visit(find(), rank, count, false, (bytes, start, stop, score) => {
          const distance = this.count < max ? distanceWithin(shape, placeOf(score, this.#place)) : -1
          if (distance < 0) return
          this.elements.add(bytes, start, stop, score)
          this.distances.push(distance)
        })
      }
    }
  }

  /** Their numbers; the first `count` are in order. */
  *#ordered(order: GeoSearch['order'], count: number, atOnce: number): Slices<Uint32Array> {
    const numbers = new Uint32Array(this.count)
    const stint = new Stint(atOnce === 0 ? Number.POSITIVE_INFINITY : atOnce * comparisonsPerElement)
    for (let i = 0; i < numbers.length; i++) {
      numbers[i] = i
      if (stint.isOver(1)) yield undefined
    }
    if (order === 'none') return numbers
    const { distances } = this
    const sign = order === 'ascending' ? 1 : -1
    const compare = (a: number, b: number): number => sign * (distances[a] - distances[b])
    if (count < numbers.length) yield* partInOrder(numbers, 0, count, compare, stint)
    else if (atOnce === 0) numbers.sort(compare)
    else yield* allInOrder(numbers, compare, stint)
    return numbers
  }
}
