/**
 * What ends etcd's alarm for want of space. Removing keys does not make a member's file smaller, and the alarm is about the file: history
 * has to be compacted, every member defragmented, which holds it up for a moment, and then the alarm disarmed. Any node may do it.
 */
import type { Clock } from '../../storage/clock.ts'
import { alarms, defragment, disarm } from './cluster-methods.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import { compact, range } from './kv-methods.ts'

/** Soonest time from one attempt to the next. */
const pauseMs = 15_000
const defragmentMsMax = 60_000

export class SpaceRelief {
  readonly #endpoints: EtcdEndpoints
  readonly #clock: Clock
  readonly #key: Buffer
  #againAtMs = Number.NEGATIVE_INFINITY

  /** `key`: any, to ask for the present revision by. */
  constructor(endpoints: EtcdEndpoints, clock: Clock, key: Buffer) {
    this.#endpoints = endpoints
    this.#clock = clock
    this.#key = key
  }

  /** Begins an attempt, unless there was one a moment ago. Whether it has helped shows with the next put. */
  begin(): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#againAtMs) return
    this.#againAtMs = nowMs + pauseMs
    void this.#relieve()
  }

  async #relieve(): Promise<void> {
    const found = await this.#endpoints.call(range, { key: this.#key, keysOnly: true })
    if (found.kind !== 'answered') return
    // It may have been compacted already, which is as good.
    await this.#endpoints.call(compact, { revision: found.reply.revision, physical: true }, defragmentMsMax)
    for (const endpoint of this.#endpoints.all) await endpoint.call(defragment, undefined, defragmentMsMax)
    const raised = await this.#endpoints.call(alarms, undefined)
    if (raised.kind !== 'answered') return
    for (const alarm of raised.reply) if (alarm.kind === 'noSpace') await this.#endpoints.call(disarm, alarm)
  }
}
