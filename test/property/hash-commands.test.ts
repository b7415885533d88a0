/** Hash commands beside a model of maps, with thresholds so low that hashes are converted all the time and with values so long that leaves split and join. */
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { HashModel } from './hash-model.ts'
import { describeModel } from './model-runs.ts'

describeModel('hash commands beside a model', {
  tables: { ...hashCommands, ...keyCommands },
  lowerThresholds: (engine) => {
    engine.execution.limits.hashMaxListpackEntries = 12
    engine.execution.limits.hashMaxListpackValue = 250
  },
  model: (ask) => new HashModel(ask),
})
