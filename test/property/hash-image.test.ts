/** A hash that changes and goes cold while its replies are staged: in the end they are what they would have been without. */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns, testSeed } from '../chance.ts'
import { format } from '../commands/notation.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const stepsMax = testRuns(10_000)

/** One reply after the other is staged, with changes before and between the slices. */
class Reading {
  /** Replies of which nothing had to be fetched at the end, because all parts were at hand. */
  partsKept = 0
  readonly #cold = new ColdEngine({ ...hashCommands, ...keyCommands }, testSeed)
  readonly #name: string
  readonly #tell: (line: string) => void
  #work: StagedWork | undefined

  constructor(name: string, tell: (line: string) => void) {
    this.#name = name
    this.#tell = tell
    Object.assign(this.#cold.engine.execution.limits, { hashMaxListpackEntries: 4, hashMaxListpackValue: 300, hashChunkBytesMax: 200 })
  }

  async step(random: SeededRandom): Promise<void> {
    this.#cold.random = random
    if (this.#work === undefined) {
      if (random.once(60)) this.#begin(1 + random.below(6000))
      else await this.#change(random)
      return
    }
    if (random.once(3)) await this.#change(random)
    else await this.#advance(this.#work)
    if (random.once(5)) this.#tell(`(${this.#cold.freeze(0.5)} chunks and values become cold)`)
  }

  #begin(slicedBytes: number): void {
    this.#tell(`begin ${this.#name} h, in slices from ${slicedBytes} bytes on`)
    this.#cold.engine.execution.limits.slicedValueBytes = slicedBytes
    this.#work = this.#cold.session.stage(this.#name, 'h')
  }

  async #advance(work: StagedWork): Promise<void> {
    this.#tell('fetch and go on')
    await this.#cold.fetchFor(work)
    if (work.step()) return
    const asked = await this.#cold.fetchFor(work)
    if (asked === 0 && work.memoryBytes > 0) this.partsKept++
    this.#work = undefined
    this.#tell(`${this.#name} h`)
    const ours = format(await this.#cold.askStaged(work, this.#name, 'h'))
    expect(ours).toBe(format(await this.#cold.ask(this.#name, 'h')))
  }

  async #change(random: SeededRandom): Promise<void> {
    const field = (): string => `f${random.below(400)}`
    const kind = random.below(1000)
    let request = ['HSET', 'h', field(), 'v'.repeat(random.below(random.once(4) ? 1000 : 60))]
    if (kind === 0) request = ['DEL', 'h']
    else if (kind < 400) request = ['HDEL', 'h', field(), field(), field()]
    this.#tell(request.join(' '))
    await this.#cold.ask(...request)
  }
}

describe('replies of large hashes in slices', () => {
  it.each(['HGETALL', 'HKEYS', 'HVALS'])('%s', async (name) => {
    const partsKept = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const reading = new Reading(name, tell)
      for (const random of steps) await reading.step(random)
      return reading.partsKept
    })
    expect(partsKept).toBeGreaterThan(0)
  })
})
