/**
 * Skips a value by its lengths alone, for those who pass it on as it is: what its strings have in them is not looked at, so damage there
 * is for whoever decodes it to find. Throws `RdbShortage` where bytes are missing, with the input anywhere in the value.
 */
import {
  hashListpackWithExpiryValue,
  hashValue,
  hashWithExpiryValue,
  listQuicklist2Value,
  listQuicklistValue,
  listValue,
  setValue,
  stream2Value,
  stream3Value,
  streamValue,
  zsetTextValue,
  zsetValue,
} from './rdb-format.ts'
import type { RdbInput } from './rdb-input.ts'

const scoreBytes = 8
const timeBytes = 8
const streamIdBytes = 16
/** Scores in text that are one byte: the infinities, and what is no number. */
const shortScoreMin = 253

/** Of RDB's type `type`, which is one that can be decoded; any that is not named here is one string. */
export function skipValue(input: RdbInput, type: number): void {
  const skip = skips[type]
  if (skip === undefined) input.skipString()
  else skip(input)
}

const skips: Readonly<Record<number, (input: RdbInput) => void>> = {
  [listValue]: (input) => skipEach(input, skipOne),
  [setValue]: (input) => skipEach(input, skipOne),
  [listQuicklistValue]: (input) => skipEach(input, skipOne),
  [listQuicklist2Value]: (input) => skipEach(input, skipLengthAndString),
  [hashValue]: (input) => skipEach(input, skipTwo),
  [zsetValue]: (input) => skipEach(input, skipScored),
  [zsetTextValue]: (input) => skipEach(input, skipScoredByText),
  [hashWithExpiryValue]: (input) => {
    input.take(timeBytes)
    skipEach(input, skipExpiring)
  },
  [hashListpackWithExpiryValue]: (input) => {
    input.take(timeBytes)
    input.skipString()
  },
  [streamValue]: (input) => skipStream(input, 1),
  [stream2Value]: (input) => skipStream(input, 2),
  [stream3Value]: (input) => skipStream(input, 3),
}

function skipEach(input: RdbInput, skip: (input: RdbInput) => void): void {
  for (let left = input.length(); left > 0; left--) skip(input)
}

function skipOne(input: RdbInput): void {
  input.skipString()
}

function skipTwo(input: RdbInput): void {
  input.skipString()
  input.skipString()
}

function skipLengthAndString(input: RdbInput): void {
  input.length()
  input.skipString()
}

function skipExpiring(input: RdbInput): void {
  input.length()
  skipTwo(input)
}

function skipScored(input: RdbInput): void {
  input.skipString()
  input.take(scoreBytes)
}

function skipScoredByText(input: RdbInput): void {
  input.skipString()
  const length = input.byte()
  if (length < shortScoreMin) input.take(length)
}

function skipStream(input: RdbInput, version: 1 | 2 | 3): void {
  skipEach(input, skipTwo)
  // Entries and the last id; then the first id, the greatest deleted one, and how many were added.
  const numbers = version > 1 ? 8 : 3
  for (let i = 0; i < numbers; i++) input.bigLength()
  for (let groups = input.length(); groups > 0; groups--) {
    input.skipString()
    for (let i = 0; i < (version > 1 ? 3 : 2); i++) input.bigLength()
    skipEach(input, skipPending)
    for (let consumers = input.length(); consumers > 0; consumers--) {
      input.skipString()
      input.take(version > 2 ? 2 * timeBytes : timeBytes)
      input.take(input.length() * streamIdBytes)
    }
  }
}

function skipPending(input: RdbInput): void {
  input.take(streamIdBytes + timeBytes)
  input.length()
}
