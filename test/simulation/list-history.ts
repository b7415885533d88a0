/**
 * Whether a list that is only appended to and read whole has an order of its operations that explains all answers. Elements are unique, so
 * the last reading tells where each has been appended, and what each reading saw. No search is needed (as in Kingsbury and
 * Alvaro, "Elle: inferring isolation anomalies from experimental observations", 2020).
 */
import type { Operation } from './linearizability.ts'

/** RPUSH of elements, or LRANGE of the whole list. */
export type ListRequest = readonly [name: string, key: string, ...elements: readonly string[]]

/** An operation with its place: a push of the elements from `rank` on is in the middle, a reading of so many elements between two pushes. */
interface Placed {
  readonly operation: Operation<ListRequest>
  readonly rank: number
  readonly reads: boolean
}

export interface ListHistory {
  readonly operations: readonly Operation<ListRequest>[]
  /** What a reading saw, in order; of those whose outcome is known. */
  elementsOf(operation: Operation<ListRequest>): readonly string[]
  /** What is in the list when all is over, as of after all operations whose outcome is known. */
  readonly final: readonly string[]
}

/** What is wrong with the history of a list; undefined when nothing is. */
export function listFailure(history: ListHistory): string | undefined {
  const { operations, final } = history
  const places = new Map(final.map((element, i) => [element, i]))
  if (places.size < final.length) return `an element is in the list twice: ${final.filter((each, i) => places.get(each) !== i).join(', ')}`
  const placed: Placed[] = []
  const ends = new Set([0])
  let pushed = 0
  for (const operation of operations) {
    const { request, reply } = operation
    const reads = request[0] === 'LRANGE'
    if (reads) {
      if (reply === undefined) continue
      const seen = history.elementsOf(operation)
      const wrong = seen.findIndex((element, i) => element !== final[i])
      if (wrong >= 0) return `${describe(operation)} saw ${seen[wrong]} at ${wrong}, where ${final[wrong] ?? 'nothing'} is in the end`
      placed.push({ operation, rank: 2 * seen.length + 1, reads })
    } else {
      const elements = request.slice(2)
      const at = places.get(elements[0] as string)
      if (at === undefined) {
        if (reply === undefined) continue
        return `${describe(operation)} was acknowledged, and is not in the list`
      }
      if (elements.some((element, i) => final[at + i] !== element)) return `${describe(operation)} did not stay together`
      const length = at + elements.length
      if (reply !== undefined && reply !== `:${length}\r\n`)
        return `${describe(operation)} was answered ${reply.trim()} and came to ${length}`
      placed.push({ operation, rank: 2 * length, reads })
      ends.add(length)
      pushed += elements.length
    }
  }
  if (pushed !== final.length) return `${final.length} elements are in the list, and ${pushed} were pushed`
  const torn = placed.find(({ rank, reads }) => reads && !ends.has((rank - 1) / 2))
  if (torn !== undefined) return `${describe(torn.operation)} saw a part of what was pushed together`
  return outOfOrder(placed)
}

/** Two operations of which the first ended before the second began, and comes after it in the list. */
function outOfOrder(placed: readonly Placed[]): string | undefined {
  const byEnd = placed.toSorted((a, b) => a.operation.end - b.operation.end)
  const byStart = placed.toSorted((a, b) => a.operation.start - b.operation.start)
  let ended = 0
  let highest: Placed | undefined
  for (const each of byStart) {
    for (let next = byEnd[ended]; next !== undefined && next.operation.end < each.operation.start; next = byEnd[++ended]) {
      if (highest === undefined || next.rank > highest.rank) highest = next
    }
    if (highest === undefined || highest.rank < each.rank || (highest.rank === each.rank && each.reads)) continue
    return `${describe(each.operation)} comes in the list before what had ended before it began: ${describe(highest.operation)}`
  }
  return undefined
}

function describe({ request, start, end }: Operation<ListRequest>): string {
  return `${request.join(' ').slice(0, 100)} (${start} to ${end})`
}
