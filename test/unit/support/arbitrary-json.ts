import fc from 'fast-check'

/** The keys that the service reads from a CallCov body, so that random objects reach beyond "no id". */
const KNOWN_KEYS = (
  'id analysis_id status event created livemode call agent_id contact_id audio url duration_seconds format ' +
  'transcript text language segments speaker start end results result error error_message message code details ' +
  'metadata __proto__ constructor prototype toString'
).split(' ')

/** What a JSON parser can return: any value, made from JSON text so that `__proto__` is a key like any other. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(fc.jsonValue(), objectsOfKnownKeys())

/** The same as fields of an analysis that has an id and a status, so that the schema is what decides. */
export const analysisWithAnyFields: fc.Arbitrary<Record<string, unknown>> = fc
  .tuple(objectsOfKnownKeys(), fc.constantFrom('completed', 'failed'))
  .map(([fields, status]) => {
    const isObject = typeof fields === 'object' && fields !== null && !Array.isArray(fields)
    const { event: _event, ...others } = isObject ? (fields as Record<string, unknown>) : {}
    return { ...others, id: 'anl_1', status }
  })

function objectsOfKnownKeys(): fc.Arbitrary<unknown> {
  const { node } = fc.letrec((tie) => ({
    leaf: fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('completed', 'failed', 'analysis.completed', 'analysis.failed', 'anl_1', '', 1e300, -0),
    ),
    members: fc.array(fc.tuple(fc.constantFrom(...KNOWN_KEYS), tie('node')), { maxLength: 8 }),
    object: tie('members').map((members) => fromMembers(members as [string, unknown][])),
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      tie('leaf'),
      fc.array(tie('leaf'), { maxLength: 3 }),
      tie('object'),
    ),
  }))
  return node
}

/** Through JSON text: assigning to `__proto__` would set the prototype instead of a key. */
function fromMembers(members: [string, unknown][]): unknown {
  const text = members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')
  return JSON.parse(`{${text}}`)
}
