import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { fileSystemSuite } from './file-system.ts'

fileSystemSuite('simulated disk', async () => ({
  files: new SimulatedDisk(new SeededRandom(1)),
  directory: '/data',
  stop: async () => undefined,
}))

fileSystemSuite('simulated disk, mounted', async () => ({
  files: new SimulatedDisk(new SeededRandom(2), { schedule: setImmediate }).mount(),
  directory: '/data',
  stop: async () => undefined,
}))
