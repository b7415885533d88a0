/**
 * Loaded before the built server (`node --import`): makes of it a version to come. It says so wherever it tells its version, and records an APPEND
 * to a string that is there as a record of the next version, which it reads as well as the present ones. Nothing else knows that version.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const version = '99.0.0'
const manifest = new URL('../../package.json', import.meta.url).pathname
const read = fs.readFileSync
fs.readFileSync = (path, ...options) => {
  const text = read(path, ...options)
  const isManifest = path instanceof URL && path.pathname === manifest
  return isManifest ? JSON.stringify({ ...JSON.parse(text), version }) : text
}
syncBuiltinESMExports()

const root = new URL('engine/mutation/', process.env.MORAINE_TEST_PROGRAM)
const { appendOp, recordVersion } = await import(new URL('operations.js', root).href)
const { CurrentRecord } = await import(new URL('current-record.js', root).href)
const { Replay } = await import(new URL('replay.js', root).href)
const nextVersion = recordVersion + 1

const { operationOn } = CurrentRecord.prototype
CurrentRecord.prototype.operationOn = function (operation, ref) {
  const isRecorded = operationOn.call(this, operation, ref)
  if (isRecorded && operation === appendOp) this.buffer.bytes[0] = nextVersion
  return isRecorded
}

function asPresent(payload) {
  if (payload[0] !== nextVersion) return payload
  const present = Buffer.from(payload)
  present[0] = recordVersion
  return present
}

const { apply, visit } = Replay.prototype
Replay.prototype.apply = function (lsn, payload) {
  apply.call(this, lsn, asPresent(payload))
}
Replay.prototype.visit = function (payload, visitor) {
  visit.call(this, asPresent(payload), visitor)
}
