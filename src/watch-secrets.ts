import { PayloadKeys } from './inbox/payload-keys.ts'
import type { Logger } from './log.ts'
import { SECRET_RULES } from './secret-settings.ts'
import { RotatingSecrets, type SecretSetting } from './secrets.ts'

/** The secrets of a setting, its rotations and faults logged by the name of the setting. */
export function watchSecrets(name: string, setting: SecretSetting, log: Logger): RotatingSecrets {
  const onEvent = (event: { rotated: true } | { problem: string }) => {
    if ('rotated' in event) log.info({ setting: name }, 'the secrets were rotated')
    else log.error({ setting: name, ...event }, 'the secret file is unusable; the last good content stays')
  }
  return new RotatingSecrets(setting, onEvent, SECRET_RULES.get(name))
}

/** The keys that seal what Redis keeps; none when the setting is off. */
export function watchPayloadKeys(setting: SecretSetting | undefined, log: Logger): PayloadKeys {
  if (setting === undefined) return new PayloadKeys()
  const secrets = watchSecrets('PAYLOAD_KEY', setting, log)
  return new PayloadKeys(() => secrets.current)
}
