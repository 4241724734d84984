export const SAMPLE_LANGUAGES = ['en', 'es'] as const
export type SampleLanguage = (typeof SAMPLE_LANGUAGES)[number]

/** Turns of the agent and the customer, in this order; a longer call starts over. */
export const SENTENCES: Record<SampleLanguage, readonly string[]> = {
  en: [
    'Thank you for calling Harbour Broadband, you are speaking with Priya. This call is recorded.',
    'Hi, my connection has dropped every evening since Monday.',
    'I am sorry about that. May I have your customer number, please?',
    'Yes, it is four, four, zero, two, seven.',
    'Thank you. I can see that the line loses its signal at around eight each night.',
    'That is right, just when everybody is at home.',
    'An engineer can visit you tomorrow morning, at no charge.',
    'Tomorrow works for me. Will somebody ring before coming?',
    'Yes, half an hour before. Is there anything else I can help you with?',
    'No, that was all. Thank you and goodbye.',
  ],
  es: [
    'Gracias por llamar a Telefonía Bahía, le atiende Begoña Núñez. Esta llamada se está grabando.',
    'Buenas tardes. Mi conexión se corta cada noche desde el miércoles.',
    'Lo siento mucho, señora. ¿Me dice su número de cliente, por favor?',
    'Sí, es el cuatro, cuatro, cero, dos, siete.',
    'Muchas gracias. Aquí veo que la línea pierde la señal sobre las ocho.',
    '¡Así es! Justo cuando mis niños están en casa.',
    'Un técnico podría visitarla mañana por la mañana, sin ningún coste.',
    'Mañana me va bien. ¿Avisará antes de venir?',
    'Sí, media hora antes. ¿Necesita algo más?',
    'No, eso es todo. Adiós, y gracias por su atención.',
  ],
}
