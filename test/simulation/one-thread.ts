/**
 * Large values are compressed and decompressed in the simulated process itself: a thread of the pool takes time that no clock of the simulation
 * knows, so that a run would not be the same each time, and on a busy machine stood still for minutes of its own time.
 */
import { ValueCodec } from '../../storage/value-codec.ts'

ValueCodec.prototype.encodeLarge = async function (bytes, start, end) {
  return this.encode(bytes, start, end)
}

ValueCodec.prototype.decodeLarge = async function (id, stored) {
  return this.decode(id, stored)
}
