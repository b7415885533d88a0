/** What the processes that share a log in etcd tell of themselves: a key for each, below `members/`. */
import type { Members } from '../members.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import { deleteRange, prefixRange, range, txn } from './kv-methods.ts'
import type { LogKeys } from './log-keys.ts'

export class EtcdMembers implements Members {
  readonly #calls: EtcdCalls
  readonly #keys: LogKeys
  readonly #isClosed: () => boolean

  constructor(calls: EtcdCalls, keys: LogKeys, isClosed: () => boolean) {
    this.#calls = calls
    this.#keys = keys
    this.#isClosed = isClosed
  }

  async announce(id: string, about: Buffer): Promise<void> {
    await this.#calls.settled(txn, { compares: [], success: [{ kind: 'put', key: this.#keys.member(id), value: about }] }, this.#isClosed)
  }

  async withdraw(id: string): Promise<void> {
    await this.#calls.settled(deleteRange, { key: this.#keys.member(id) }, this.#isClosed)
  }

  async all(): Promise<ReadonlyMap<string, Buffer>> {
    const { pairs } = await this.#calls.settled(range, prefixRange(this.#keys.members), this.#isClosed)
    return new Map(pairs.map(({ key, value }) => [this.#keys.memberOf(key), value]))
  }
}
