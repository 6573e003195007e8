SELECT {changed}
            FROM {rows}
            WHERE {differs}
