/**
 * What a Sentinel publishes of the shard that it watches, to the subscribers of this node: who leads (`+switch-master`), which replicas there are
 * (`+slave`), which nodes are silent (`+sdown`, `-sdown`). Each node says it when it learns of it. Channels and texts are
 * Redis's (its documentation of Sentinel, `Pub/Sub messages`).
 */
import type { Config } from '../config/config.ts'
import type { Turn } from '../network/turn.ts'
import type { NodesView, ShardNode } from '../nodes.ts'
import { nodesOf } from '../nodes.ts'
import type { PubSub } from '../pubsub/pubsub.ts'

interface Address {
  readonly host: string
  readonly port: number
}

export interface SentinelEventsHost extends NodesView {
  readonly config: Config
  readonly pubsub: PubSub
  readonly turn: Turn
}

export class SentinelEvents {
  readonly #host: SentinelEventsHost
  #primary: Address | undefined
  /** The other nodes by their ids, and whether they were down. */
  #known = new Map<string, boolean>()

  constructor(host: SentinelEventsHost) {
    this.#host = host
  }

  /** A node has claimed the lead. The first one that is heard of has taken nobody's place. */
  ledBy(primary: Address): void {
    const former = this.#primary
    if (former?.host === primary.host && former.port === primary.port) return
    this.#primary = { host: primary.host, port: primary.port }
    if (former === undefined) return
    this.#publish('+switch-master', `${this.#name} ${former.host} ${former.port} ${primary.host} ${primary.port}`)
    // As in Redis all replicas are new ones to the new primary.
    this.#known = new Map()
    this.looked()
  }

  /** What is known of the other nodes may have changed. */
  looked(): void {
    if (this.#primary === undefined) return
    const known = new Map<string, boolean>()
    for (const node of nodesOf(this.#host)) {
      if (node.isSelf && node.role === 'primary') continue
      const wasDown = this.#known.get(node.id)
      known.set(node.id, node.isDown)
      if (wasDown === undefined) this.#tellOfNew(node)
      if (node.isDown !== (wasDown ?? false)) this.#tellOfSilence(node)
    }
    this.#known = known
  }

  get #name(): string {
    return this.#host.config.values['sentinel-master-name']
  }

  #tellOfNew(node: ShardNode): void {
    if (node.role === 'replica') this.#publish('+slave', this.#described(node))
    if (!node.isSelf) this.#publish('+sentinel', `sentinel ${node.id} ${node.host} ${node.port}${this.#ofPrimary}`)
  }

  /** Whether the primary can be replaced is the log's matter, so one node's word is enough. */
  #tellOfSilence(node: ShardNode): void {
    const sign = node.isDown ? '+' : '-'
    this.#publish(`${sign}sdown`, this.#described(node))
    if (node.role === 'primary') this.#publish(`${sign}odown`, `${this.#described(node)}${node.isDown ? ' #quorum 1/1' : ''}`)
  }

  #described({ role, host, port }: ShardNode): string {
    return role === 'primary' ? `master ${this.#name} ${host} ${port}` : `slave ${host}:${port} ${host} ${port}${this.#ofPrimary}`
  }

  get #ofPrimary(): string {
    return ` @ ${this.#name} ${this.#primary?.host} ${this.#primary?.port}`
  }

  #publish(channel: string, text: string): void {
    const { pubsub, turn } = this.#host
    const message = pubsub.published(Buffer.from(channel), Buffer.from(text), true, false)
    if (message.receivers === 0) return
    turn.begin()
    pubsub.send([message], 0)
  }
}
