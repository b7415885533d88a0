import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedNetwork } from '../simulation/simulated-network.ts'
import { networkSuite } from './network.ts'

for (const seed of [1, 2, 3]) {
  networkSuite(`simulated, seed ${seed}`, async () => {
    const clock = new ManualClock()
    let running = true
    const pump = (): void => {
      clock.advance(5)
      if (running) setImmediate(pump)
    }
    pump()
    return {
      network: new SimulatedNetwork(new SeededRandom(seed), clock, { pieceBytesMax: 10 ** (seed + 3) }).host('a'),
      host: 'a',
      path: '/tmp/socket',
      stop: async () => {
        running = false
      },
    }
  })
}
