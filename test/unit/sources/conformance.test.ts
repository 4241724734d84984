import { callcov } from '../../../src/sources/callcov/index.ts'
import { hamsa } from '../../../src/sources/hamsa/index.ts'
import { courier } from '../../fixtures/third-provider/index.ts'
import { callEvent, HAMSA_FIXTURES, HAMSA_TOKEN, readCallFixture } from '../../support/calls.ts'
import { SECRET, sign } from '../../support/deliveries.ts'
import { describeConformance } from '../../support/source-conformance.ts'
import { COURIER_KEY, courierHeaders, parcelDelivery } from '../../support/third-provider.ts'
import { FIXTURES, readFixture } from '../support/fixtures.ts'

describeConformance({
  source: callcov,
  secrets: [SECRET, 'whsec_another_0123456789abcdef'],
  bodies: FIXTURES.map(({ file }) => readFixture(file)),
  prove: (body, secret) => ({ 'x-callcov-signature': sign(body, secret) }),
  isBodyProven: true,
})

describeConformance({
  source: hamsa,
  secrets: [HAMSA_TOKEN, 'Bearer hamsa_another_0123456789abcdef'],
  bodies: [
    ...HAMSA_FIXTURES.map(readCallFixture),
    ...['call.started', 'call.answered'].map((type) => Buffer.from(JSON.stringify(callEvent(type, {})))),
  ],
  prove: (_body, secret) => ({ authorization: `Bearer ${secret.replace('Bearer ', '')}` }),
  isBodyProven: false,
})

describeConformance({
  source: courier,
  secrets: [COURIER_KEY, 'another-key-0123456789abcdef'],
  bodies: ['parcel.delivered', 'parcel.lost'].map((event) =>
    Buffer.from(parcelDelivery({ fields: { event } }).body),
  ),
  prove: (body, secret) => courierHeaders(body, secret),
  isBodyProven: true,
})
