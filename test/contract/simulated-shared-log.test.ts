import { EventLoop } from '../simulation/event-loop.ts'
import { LogLink } from '../simulation/log-link.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { LogEngine } from '../simulation/shared-log-engine.ts'
import { openSimulatedLog } from '../simulation/simulated-shared-log.ts'
import { sharedLogSuite } from './shared-log.ts'

/** Time passes by itself, as fast as it can. */
sharedLogSuite('of the simulation', async () => {
  const loop = new EventLoop()
  const engine = new LogEngine()
  const random = new SeededRandom(7)
  let isOver = false
  const passing = loop.run(() => isOver, Number.POSITIVE_INFINITY)
  const idle = (): void => {
    loop.schedule(1, () => isOver || idle())
  }
  idle()
  return {
    open: () => openSimulatedLog(engine, new LogLink(loop, random, 3), loop.process(), { knownCommitted: 0 }),
    stop: async () => {
      isOver = true
      await passing
    },
  }
})
