INSERT INTO rtp.sample ({columns})
            {samples}
