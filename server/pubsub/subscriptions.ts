/** What one client has subscribed to. Names are its bytes as Latin-1. */
export class Subscriptions {
  readonly channels = new Set<string>()
  readonly patterns = new Set<string>()
  readonly shardChannels = new Set<string>()

  /** What SUBSCRIBE and PSUBSCRIBE count together. */
  get count(): number {
    return this.channels.size + this.patterns.size
  }

  get any(): boolean {
    return this.channels.size > 0 || this.patterns.size > 0 || this.shardChannels.size > 0
  }
}
