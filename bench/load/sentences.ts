/** Words of telephone calls, the frequent ones first, as the sampling below expects them. */
const WORDS =
  `the you I to and a it is that of for your we in have on can will are not with be this my do was at if just
me so but what from our they or one there get here right see know yes no please thank okay would like need as time
account number call now out up all when how today more then them help some been about had could did check make let
take sure good over any also want than other say after name way day work first back two service look because well
where very only line still problem information before change off order email new payment month phone office again
think customer next week old week send end morning address might able last give set bill much put team few sorry
through same question system every three card these who later should tell why keep most hour date minutes during
issue policy down sign use yesterday moment system understand afternoon does confirm find contact always available
read speak anything around received package return sometimes plan great evening office cancel between connection
until person year actually provide amount delivery wait started small something charge exactly already update several
option repair internet insurance quickly store correct message technician appointment support manager open screen
refund password possible reason contract renew balance discount receipt reset include expected happen against another
apologise appreciate complaint department engineer escalate recorded regarding replacement request required resolve
schedule separate signal subscription transfer upgrade verify voicemail warranty wednesday whether within without
Monday Thursday Friday September January Priya Oscar Helena Dubois Okafor Lindqvist Harbour Broadband Northgate
router invoice voucher meter kitchen garage basement landlord neighbour tenant courier parcel carton damaged
overcharged disconnected intermittent unacceptable reimbursed troubleshooting authorised documentation confidential`.split(
    /\s+/,
  )

/** Word number n of a language is about n times rarer than the first. */
const CUMULATIVE_WEIGHTS = WORDS.reduce<number[]>((sums, _word, index) => {
  sums.push((sums.at(-1) ?? 0) + 1 / (index + 3))
  return sums
}, [])
const TOTAL_WEIGHT = CUMULATIVE_WEIGHTS.at(-1) ?? 1

const MIN_WORDS = 4
const MAX_WORDS = 24
const DIGITS_SHARE = 0.03

/** Makes sentences that compress about as well as what people say, the same ones for the same seed. */
export function* makeSentences(seed: number): Generator<string, never> {
  const random = seededRandom(seed)
  for (;;) {
    const count = MIN_WORDS + Math.floor(random() * (MAX_WORDS - MIN_WORDS))
    const words = Array.from({ length: count }, () =>
      random() < DIGITS_SHARE ? String(Math.floor(random() * 10_000)) : pickWord(random()),
    )
    const text = words.join(' ')
    yield `${text.charAt(0).toUpperCase()}${text.slice(1)}${random() < 0.2 ? '?' : '.'}`
  }
}

function pickWord(random: number): string {
  const weight = random * TOTAL_WEIGHT
  return WORDS[CUMULATIVE_WEIGHTS.findIndex((sum) => sum >= weight)] ?? 'the'
}

/** Mulberry32: numbers from 0 to 1 that look random and can be repeated. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
