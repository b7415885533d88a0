/** List commands beside a model of arrays, with leaves so small that they are cut, emptied and joined all the time. */
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { ListModel } from './list-model.ts'
import { describeModel } from './model-runs.ts'

describeModel('list commands beside a model', {
  tables: { ...listCommands, ...keyCommands },
  lowerThresholds: (engine) => {
    engine.keyspace.trees.leafBytesMax = 600
  },
  model: (ask) => new ListModel(ask),
})
