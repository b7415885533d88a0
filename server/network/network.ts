/**
 * The network as a port: byte pipes between this process and others. The real one is TCP and Unix sockets, the simulated
 * one lives in memory, and one contract suite holds for both.
 *
 * A pipe delivers bytes in order, cut anywhere. Nothing is delivered before `start`, and nothing after `onClose`, which
 * comes exactly once, whoever closed. A pipe reports to an owner object instead of emitting events: no closure per pipe.
 */
export interface Network {
  /** Begins to accept. Rejects with the system's error (code `EADDRINUSE`, …) when it cannot. */
  listen(options: ListenOptions, onPipe: (pipe: Pipe) => void): Promise<ListeningPort>
  /** Opens a pipe to a listening port. Rejects with the system's error (code `ECONNREFUSED`, …) when it cannot. */
  connect(options: ConnectOptions): Promise<Pipe>
}

export interface ListenOptions {
  /** An address of this machine; without it, all of them. */
  readonly host?: string
  /** 0 lets the system choose. */
  readonly port?: number
  /** A Unix socket's path, instead of host and port. */
  readonly path?: string
  /** Permissions of that socket; the process's own unless told. */
  readonly mode?: number
  /** How many clients may wait to be accepted. */
  readonly backlog?: number
  /** Silence in milliseconds after which the system asks whether the other side still lives; 0: never. */
  readonly keepAliveMs?: number
}

export interface ConnectOptions {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly keepAliveMs?: number
}

export interface ListeningPort {
  /** The address listened on, as `host:port` or a path. */
  readonly address: string
  /** 0 for a Unix socket. */
  readonly port: number
  /** Stops accepting. Pipes that are open stay open. */
  close(): Promise<void>
}

export interface PipeOwner {
  /** `bytes[start, end)` arrived; they are lent for the length of this call. */
  onData(bytes: Buffer, start: number, end: number): void
  /** Everything written has been handed to the system, after a `write` that returned false. */
  onDrain(): void
  /** The other side will send nothing more; it may still read. */
  onEnd(): void
  /** The pipe is gone. `failure` is the system's error code if it broke. */
  onClose(failure: string | undefined): void
}

export interface Pipe {
  /** `host:port`, or the Unix socket's path and `:0`. */
  readonly remoteAddress: string
  readonly localAddress: string
  /** Bytes written that the system has not taken yet. */
  readonly pendingBytes: number
  /** Begins delivery to `owner`. Called once. */
  start(owner: PipeOwner): void
  /** Writes the views one after the other. True when the system has taken all: their memory may be used again at once. Otherwise `onDrain` follows, and they must stay as they are until then. */
  write(views: readonly Uint8Array[]): boolean
  /** No `onData` until `resume`; what comes waits with the system. */
  pause(): void
  resume(): void
  /** Closes once everything written has been sent. */
  end(): void
  /** Closes at once. */
  destroy(): void
}
