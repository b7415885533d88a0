/**
 * Whether there is an order in which the operations of a history make sense: each takes effect at one moment between its
 * beginning and its end, and answers as an object does that is used by one client alone (Herlihy and Wing, "Linearizability: a
 * correctness condition for concurrent objects", 1990). A history is that of one key: objects that have nothing to do with each other may be judged one by one.
 *
 * The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what has been tried
 * ("Testing for linearizability", 2017): operations are put in order one by one, each of them one that began before any of the others
 * ended; what comes back to the same operations in the same state is not tried again.
 *
 * An operation whose outcome is unknown may have happened at any time since it began, or not at all. It is put in order only directly
 * before an operation that could not be answered so without it: anywhere else it would only take from those that follow.
 */

export interface Operation<R> {
  readonly request: R
  /** Undefined when its client does not know what came of it. */
  readonly reply: string | undefined
  /** Moments are numbered through; no two are the same. */
  readonly start: number
  /** Infinity when its client does not know what came of it. */
  readonly end: number
}

/** What one client alone would see of the object. A state is a text, the same for the same state. */
export interface Specification<R> {
  readonly initial: string
  /** The state after an operation; undefined when it is not answered so in this state. An unknown reply is right in any. */
  after(state: string, operation: Operation<R>): string | undefined
  /** Whether operations of unknown outcome, none of which forgets the state, may make of this state one in which the operation is answered so. False only when none can. */
  mayLeadTo(state: string, operation: Operation<R>): boolean
  /** Whether the operation may be answered so directly after a request that has changed the state. False only when it cannot. */
  mayMake(request: R, operation: Operation<R>): boolean
  /** Whether it changes nothing in any state in which it is answered so. */
  reads(operation: Operation<R>): boolean
  /** Whether it does the same from every state. */
  forgets(request: R): boolean
  /** The same for requests that do the same. */
  describe(request: R): string
}

/** Operations that have been put in order, and what has come of it. */
interface Step {
  /** Of those with known outcome, all before this one. */
  readonly low: number
  /** And some behind it, in order. */
  readonly beyond: readonly number[]
  /** Of those with unknown outcome, in order. */
  readonly used: readonly number[]
  readonly state: string
  /** The choices that have been found and not been tried. */
  next: Step[] | undefined
  /** Whether choices with operations of unknown outcome have been looked for. */
  isExhausted: boolean
}

/** Operations directly behind which another may be answered as it was: those with known outcome from a place on, the latest first, and the others. */
interface Makers {
  readonly from: number
  readonly known: readonly number[]
  readonly unknown: readonly number[]
}

const shownMax = 12
/** So many operations of those that come next are looked at to find out early that one of them can be answered no longer. */
const aheadMax = 40

/** What is wrong with the history of an object; undefined when nothing is. */
export function linearizationFailure<R>(history: readonly Operation<R>[], specification: Specification<R>): string | undefined {
  return new Search(history, specification).run()
}

class Search<R> {
  readonly #known: readonly Operation<R>[]
  readonly #unknown: readonly Operation<R>[]
  readonly #kinds: readonly string[]
  /** Of each operation with known outcome: those directly behind which it may be answered so, the latest first. Found when asked for. */
  readonly #makers: Makers[] = []
  readonly #specification: Specification<R>
  /** Operations of unknown outcome that had been used where a place was tried. */
  readonly #tried = new Map<string, (readonly string[])[]>()
  readonly #states = new Map<string, number>()
  /** The step that came furthest. */
  #furthest!: Step

  constructor(history: readonly Operation<R>[], specification: Specification<R>) {
    const sorted = history.toSorted((a, b) => a.start - b.start)
    this.#known = sorted.filter(({ reply }) => reply !== undefined)
    this.#unknown = sorted.filter(({ reply }) => reply === undefined)
    this.#kinds = this.#unknown.map(({ request }) => specification.describe(request))
    this.#specification = specification
  }

  run(): string | undefined {
    const first: Step = { low: 0, beyond: [], used: [], state: this.#specification.initial, next: undefined, isExhausted: false }
    // What was answered that nobody could have made is found at once.
    const path = this.#known.every((_, i) => this.#isPossible(i)) ? [first] : []
    this.#furthest = first
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      if (step.low === this.#known.length) return undefined
      if (countOf(step) > countOf(this.#furthest)) this.#furthest = step
      const next = this.#nextOf(step)
      if (next === undefined) path.pop()
      else if (this.#isNew(next) && this.#mayGoOn(next)) path.push(next)
    }
    return this.#describe()
  }

  #nextOf(step: Step): Step | undefined {
    step.next ??= this.#directly(step)
    if (step.next.length === 0 && !step.isExhausted) {
      step.isExhausted = true
      step.next = this.#candidates(step)
        .flatMap((i) => this.#afterUnknown(step, i))
        .reverse()
    }
    return step.next.pop()
  }

  /** The choices without operations of unknown outcome. A reading that can come next may as well do so: then there is no other choice. */
  #directly(step: Step): Step[] {
    const candidates = this.#candidates(step)
    for (const i of candidates) {
      if (!this.#specification.reads(this.#known[i] as Operation<R>)) continue
      const read = this.#chosen(step, i, step.used, step.state)
      if (read.length === 0) continue
      step.isExhausted = true
      return read
    }
    return candidates.flatMap((i) => this.#chosen(step, i, step.used, step.state)).reverse()
  }

  /** Operations with known outcome that may come next: they began before any of the others ended. */
  #candidates({ low, beyond }: Step): number[] {
    const found: number[] = []
    let endsFirst = Number.POSITIVE_INFINITY
    for (let i = low, skip = 0; i < this.#known.length; i++) {
      if (beyond[skip] === i) {
        skip++
        continue
      }
      const { start, end } = this.#known[i] as Operation<R>
      if (start > endsFirst) break
      endsFirst = Math.min(endsFirst, end)
      found.push(i)
    }
    return found.filter((i) => (this.#known[i] as Operation<R>).start < endsFirst)
  }

  #chosen(step: Step, i: number, used: readonly number[], state: string): Step[] {
    const after = this.#specification.after(state, this.#known[i] as Operation<R>)
    if (after === undefined) return []
    let { low } = step
    let beyond = [...step.beyond, i].sort((a, b) => a - b)
    while (beyond[0] === low) {
      beyond = beyond.slice(1)
      low++
    }
    return [{ low, beyond, used, state: after, next: undefined, isExhausted: false }]
  }

  /** The ways to an operation by some of unknown outcome that come directly before it. */
  #afterUnknown(step: Step, i: number): Step[] {
    const specification = this.#specification
    const operation = this.#known[i] as Operation<R>
    const direct = specification.after(step.state, operation)
    if (direct !== undefined && specification.forgets(operation.request)) return []
    const endsFirst = Math.min(...this.#candidates(step).map((each) => (this.#known[each] as Operation<R>).end))
    const found: Step[] = []
    const seen = new Set<string>()
    const extend = (used: readonly number[], state: string, isFirst: boolean): void => {
      const kinds = new Set<string>()
      for (const [u, unknown] of this.#unknown.entries()) {
        if (unknown.start > endsFirst) break
        const forgets = specification.forgets(unknown.request)
        if (used.includes(u) || kinds.has(this.#kinds[u] as string) || (forgets ? !isFirst : !specification.mayLeadTo(state, operation)))
          continue
        kinds.add(this.#kinds[u] as string)
        const after = specification.after(state, unknown)
        if (after === undefined || after === state) continue
        const now = [...used, u].sort((a, b) => a - b)
        const key = `${now.join()} ${after}`
        if (seen.has(key)) continue
        seen.add(key)
        for (const chosen of this.#chosen(step, i, now, after)) if (chosen.state !== direct) found.push(chosen)
        extend(now, after, false)
      }
    }
    extend(step.used, step.state, true)
    return found
  }

  /** False when one of the next operations is not answered so in this state, and all that could change that has been used. */
  #mayGoOn(step: Step): boolean {
    const { low, beyond, state } = step
    const end = Math.min(low + aheadMax, this.#known.length)
    for (let i = low; i < end; i++) {
      if (beyond.includes(i) || this.#specification.after(state, this.#known[i] as Operation<R>) !== undefined) continue
      if (!this.#mayBeMade(i, step)) return false
    }
    return true
  }

  /** Whether there is an operation left directly behind which this one may be answered as it was. */
  #mayBeMade(i: number, { low, beyond, used }: Step): boolean {
    let makers = this.#makers[i]
    if (makers === undefined || makers.from > low) {
      makers = this.#makersOf(i, Math.max(0, low - aheadMax))
      this.#makers[i] = makers
    }
    for (const k of makers.known) {
      if (k < low) break
      if (!beyond.includes(k)) return true
    }
    return makers.unknown.some((u) => !used.includes(u))
  }

  /** Whether an operation may be answered so at the beginning, or directly behind any other. */
  #isPossible(i: number): boolean {
    const { initial, after, mayMake } = this.#specification
    const operation = this.#known[i] as Operation<R>
    if (after(initial, operation) !== undefined) return true
    const makes = (each: Operation<R> | undefined): boolean =>
      each !== undefined && each !== operation && each.start < operation.end && mayMake(each.request, operation)
    for (let k = Math.min(i + aheadMax, this.#known.length); k >= 0; k--) if (makes(this.#known[k])) return true
    return this.#unknown.some(makes) || this.#known.some(makes)
  }

  #makersOf(i: number, from: number): Makers {
    const operation = this.#known[i] as Operation<R>
    const makes = ({ request, start }: Operation<R>): boolean => start < operation.end && this.#specification.mayMake(request, operation)
    const known: number[] = []
    for (let k = from; k < this.#known.length; k++) {
      const each = this.#known[k] as Operation<R>
      if (each.start > operation.end) break
      if (k !== i && makes(each)) known.push(k)
    }
    return { from, known: known.reverse(), unknown: this.#unknown.flatMap((each, u) => (makes(each) ? [u] : [])) }
  }

  #isNew({ low, beyond, used, state }: Step): boolean {
    let id = this.#states.get(state)
    if (id === undefined) {
      id = this.#states.size
      this.#states.set(state, id)
    }
    // Those that do the same may stand for each other: what counts is how many of a kind have been used.
    const kinds = used.map((u) => this.#kinds[u] as string).sort()
    const key = `${low} ${beyond.join()} ${id}`
    const tried = this.#tried.get(key)
    if (tried === undefined) this.#tried.set(key, [kinds])
    // Who has used more can do no more.
    else if (tried.some((fewer) => isPart(fewer, kinds))) return false
    else tried.push(kinds)
    return true
  }

  #describe(): string {
    const furthest = this.#furthest
    const describe = ({ request, reply, start, end }: Operation<R>): string =>
      `${this.#specification.describe(request).slice(0, 100)} → ${JSON.stringify(reply?.slice(0, 100)) ?? 'unknown'} (${start} to ${end})`
    const near = this.#known.slice(Math.max(0, furthest.low - shownMax), furthest.low).map(describe)
    const stuck = this.#candidates(furthest).map((i) => describe(this.#known[i] as Operation<R>))
    const unused = this.#unknown.filter((_, u) => !furthest.used.includes(u)).map(describe)
    return [
      `no order of the operations explains their answers: at most ${countOf(furthest)} of ${this.#known.length} can be put in order. Those that began last:`,
      ...near,
      `lead to ${JSON.stringify(furthest.state.slice(0, 200))}, where none of these can follow:`,
      ...stuck,
      ...(unused.length === 0 ? [] : ['even if these happened whose outcome is unknown:', ...unused.slice(0, shownMax)]),
    ].join('\n  ')
  }
}

/** Whether all of some texts, in order, are among others. */
function isPart(few: readonly string[], many: readonly string[]): boolean {
  let at = 0
  for (const each of many) if (each === few[at]) at++
  return at === few.length
}

function countOf({ low, beyond }: Step): number {
  return low + beyond.length
}
