-- Nobody promises the shape of results, so nothing here may fail on another one: each access asks for the type first,
-- and JSON paths are lax.

-- Calls with compliance flags. A check is flagged when it holds `flagged: true` or a missing disclosure, at any depth;
-- the name `compliance` stands for a flag outside of any check.
CREATE VIEW callcov_receiver.compliance_flags AS
SELECT
  analyses.analysis_id,
  analyses.created_at,
  analyses.received_at,
  analyses.livemode,
  analyses.agent_id,
  analyses.contact_id,
  analyses.duration_seconds,
  found.flags,
  analyses.compliance
FROM callcov_receiver.analyses
CROSS JOIN LATERAL (
  SELECT array_agg(name ORDER BY name) AS flags
  FROM (
    SELECT checks.name
    FROM jsonb_each(
      CASE jsonb_typeof(analyses.compliance)
        WHEN 'object' THEN analyses.compliance
        ELSE jsonb_build_object('compliance', analyses.compliance)
      END
    ) AS checks (name, content)
    WHERE jsonb_path_exists(
      checks.content,
      '$.** ? (@.flagged == true || exists (@.missing_disclosures[*] ? (@ != null)))'
    )
    UNION
    SELECT 'compliance'
    WHERE jsonb_path_exists(
      analyses.compliance,
      '$ ? (@.flagged == true || exists (@.missing_disclosures[*] ? (@ != null)))'
    )
  ) AS flagged
) AS found
WHERE found.flags IS NOT NULL;

-- Quality of an agent by day (UTC). `measures` holds the average of each number and each truth value (as 0 and 1) of
-- `quality` and `coaching`, named by its path.
CREATE VIEW callcov_receiver.agent_quality AS
WITH calls AS (
  SELECT
    (coalesce(created_at, received_at) AT TIME ZONE 'UTC')::date AS day,
    agent_id,
    livemode,
    duration_seconds::numeric AS seconds,
    coalesce(jsonb_path_exists(quality, '$.** ? (@.flagged == true)'), false) AS is_flagged,
    jsonb_build_object('quality', quality, 'coaching', coaching) AS areas
  FROM callcov_receiver.analyses
  WHERE status = 'completed'
),
averages AS (
  SELECT
    calls.day,
    calls.agent_id,
    calls.livemode,
    measured.name,
    count(*) AS calls,
    count(*) FILTER (WHERE calls.is_flagged) AS flagged_calls,
    avg(calls.seconds) AS seconds,
    avg(measured.number) AS average
  FROM calls
  CROSS JOIN LATERAL (
    -- The call itself, counted under no name, and each of its measures.
    SELECT NULL AS name, NULL::numeric AS number
    UNION ALL
    SELECT
      concat_ws('.', areas.name, checks.name, leaves.name),
      CASE jsonb_typeof(leaves.content)
        WHEN 'number' THEN (leaves.content #>> '{}')::numeric
        WHEN 'boolean' THEN CASE WHEN leaves.content = 'true' THEN 1 ELSE 0 END
      END
    FROM jsonb_each(calls.areas) AS areas (name, content)
    CROSS JOIN LATERAL jsonb_each(
      CASE jsonb_typeof(areas.content) WHEN 'object' THEN areas.content ELSE '{}' END
    ) AS checks (name, content)
    CROSS JOIN LATERAL (
      SELECT NULL AS name, checks.content
      UNION ALL
      SELECT *
      FROM jsonb_each(CASE jsonb_typeof(checks.content) WHEN 'object' THEN checks.content ELSE '{}' END)
    ) AS leaves (name, content)
    WHERE jsonb_typeof(leaves.content) IN ('number', 'boolean')
  ) AS measured
  GROUP BY calls.day, calls.agent_id, calls.livemode, measured.name
)
SELECT
  day,
  agent_id,
  livemode,
  (sum(calls) FILTER (WHERE name IS NULL))::bigint AS calls,
  (sum(flagged_calls) FILTER (WHERE name IS NULL))::bigint AS flagged_calls,
  round(sum(seconds) FILTER (WHERE name IS NULL), 1) AS average_seconds,
  coalesce(jsonb_object_agg(name, round(average, 3)) FILTER (WHERE name IS NOT NULL), '{}') AS measures
FROM averages
GROUP BY day, agent_id, livemode;
