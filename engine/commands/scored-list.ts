/** Elements of sorted sets copied out of them, to be used after these have changed. */
import { compareMembers } from '../types/sorted-set-leaf.ts'
import { MemberList } from './member-list.ts'

export class ScoredList {
  readonly members = new MemberList()
  #scores = new Float64Array(16)

  get count(): number {
    return this.members.count
  }

  add(bytes: Uint8Array, start: number, end: number, score: number): void {
    const { count } = this.members
    if (count === this.#scores.length) {
      const more = new Float64Array(count * 2)
      more.set(this.#scores)
      this.#scores = more
    }
    this.#scores[count] = score
    this.members.add(bytes, start, end)
  }

  clear(): this {
    this.members.clear()
    return this
  }

  score(index: number): number {
    return this.#scores[index]
  }

  setScore(index: number, score: number): void {
    this.#scores[index] = score
  }

  /** Numbers of all elements in order of score, then of member. */
  sorted(): Uint32Array {
    const { members } = this
    const scores = this.#scores
    const order = Uint32Array.from({ length: members.count }, (_, i) => i)
    return order.sort((a, b) => {
      const difference = scores[a] - scores[b]
      if (difference !== 0 && !Number.isNaN(difference)) return difference
      if (scores[a] !== scores[b]) return scores[a] < scores[b] ? -1 : 1
      const start = members.start(a)
      return compareMembers(members.buffer, start, members.end(a) - start, members.buffer, members.start(b), members.end(b))
    })
  }
}
