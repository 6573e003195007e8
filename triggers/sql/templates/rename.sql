SELECT rtp.rename({watch}, {rules}, pg_current_xact_id(), array_agg(former_chain), array_agg(former_entity), array_agg(chain),
                  array_agg(entity), array_agg(confidence), array_agg(provenance), array_agg(changed_at))
FROM (
    {pairs}
) AS pair
