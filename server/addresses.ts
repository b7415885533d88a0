/**
 * The TCP addresses that the server listens on, and how they follow `bind` and `port` at run time. Clients that are
 * connected stay. A change succeeds as a whole, or everything is as it was.
 */
import type { Values } from './config/settings.ts'
import type { Listener } from './network/listener.ts'
import type { ListeningPort } from './network/network.ts'

/** What a machine says that does not have an address, or its family: fine for an address that begins with `-`. */
const missingCodes = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EPFNOSUPPORT', 'ESOCKTNOSUPPORT', 'ENOPROTOOPT'])

interface Address {
  readonly word: string
  readonly port: number
  readonly listening: ListeningPort
}

type ListenValues = Pick<Values, 'bind' | 'port' | 'tcp-backlog' | 'tcp-keepalive'>

export class Addresses {
  /** The port in use, which the system may have chosen; 0 while there is none. */
  port = 0
  readonly #listener: Listener
  #open: Address[] = []
  /** What `port` was set to when the present one came into use. */
  #wantedPort = -1

  constructor(listener: Listener) {
    this.#listener = listener
  }

  /** Listens where the settings say, and nowhere else. Rejects with the system's error, and with the former addresses back in use. */
  async follow(values: ListenValues): Promise<void> {
    const port = values.port === this.#wantedPort && this.port !== 0 ? this.port : values.port
    const words = values.bind.split(/\s+/).filter((word) => word !== '')
    const former = [...this.#open]
    const kept: Address[] = []
    const added: string[] = []
    for (const word of words) {
      const at = former.findIndex((address) => address.word === word && address.port === port)
      if (at < 0) added.push(word)
      else kept.push(...former.splice(at, 1))
    }
    // On the same port an address may be in the way of a new one that includes it.
    const closesFirst = former.some((address) => address.port === port)
    if (closesFirst) await this.#close(former)
    try {
      const opened = await this.#listenOn(added, port, values, kept.length === 0)
      if (!closesFirst) await this.#close(former)
      this.#open = [...kept, ...opened]
    } catch (failure) {
      if (closesFirst) {
        const words = former.map(({ word }) => word)
        this.#open = [...kept, ...(await this.#listenOn(words, port, values, false))]
      }
      throw failure
    }
    this.#wantedPort = values.port
    this.port = this.#open[0]?.port ?? this.port
  }

  /** Opens all of them or none; of those that may be missing at least one, if told. */
  async #listenOn(words: readonly string[], wanted: number, values: ListenValues, needsOne: boolean): Promise<Address[]> {
    const opened: Address[] = []
    let port = wanted
    let missing: unknown
    try {
      for (const word of words) {
        const host = word.replace(/^-/, '')
        const options = { port, backlog: values['tcp-backlog'], keepAliveMs: values['tcp-keepalive'] * 1000 }
        try {
          const listening = await this.#listener.listen(host === '*' ? options : { ...options, host: host === '::*' ? '::' : host })
          port = listening.port
          opened.push({ word, port, listening })
        } catch (failure) {
          if (!word.startsWith('-') || !missingCodes.has((failure as NodeJS.ErrnoException).code ?? '')) throw failure
          missing = failure
        }
      }
      if (needsOne && opened.length === 0 && missing !== undefined) throw missing
    } catch (failure) {
      await this.#close(opened)
      throw failure
    }
    return opened
  }

  async #close(addresses: readonly Address[]): Promise<void> {
    for (const { listening } of addresses) await this.#listener.unlisten(listening)
  }
}
