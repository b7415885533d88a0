/** Somebody who sends single commands to nodes, each on a connection of its own, and knows which answers are in order. */
import { RespDecoder } from '../commands/resp-decoder.ts'
import { port } from './cluster-client.ts'
import type { SimulatedNetwork } from './simulated-network.ts'

const name = 'operator'
const inOrder = /^(\+OK|-ERR FAILOVER |-ERR No failover in progress|-LOADING|-MISCONF The data could not be opened again)/

export class Operator {
  /** An answer that was not in order. */
  failure: Error | undefined
  readonly #network: SimulatedNetwork

  constructor(network: SimulatedNetwork) {
    this.#network = network
  }

  /** `answered` is called with the reply; with nothing when there is none. */
  command(host: string, words: readonly string[], answered: (reply: string) => void = () => undefined): void {
    this.#network
      .host(name)
      .connect({ host, port })
      .then(
        (pipe) => {
          const decoder = new RespDecoder()
          let isAnswered = false
          pipe.start({
            onData: (bytes, start, end) => {
              decoder.push(bytes.subarray(start, end))
              const reply = decoder.next()?.raw.toString('latin1')
              if (reply === undefined || isAnswered) return
              isAnswered = true
              if (!inOrder.test(reply)) this.failure ??= new Error(`${host} has answered ${words.join(' ')} with ${reply}`)
              answered(reply)
              pipe.destroy()
            },
            onDrain: () => undefined,
            onEnd: () => pipe.end(),
            onClose: () => {
              if (!isAnswered) answered('')
            },
          })
          pipe.write([Buffer.from(`${words.join(' ')}\r\n`)])
        },
        // Nobody listens there now.
        () => answered(''),
      )
  }
}
